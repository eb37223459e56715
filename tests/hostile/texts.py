"""Texts as a model, a file or a person may bring them, to be shown on a page."""

TEXTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    '<a href="javascript:alert(1)">x</a>',
    "a\u202eb\u2066c",
    "\x00\x1b[31mred",
    "&lt;script&gt;",
    "../../etc/passwd",
    "' OR 1=1 --",
    "%3Cscript%3E",
    '=HYPERLINK("x")',
    "x" * 5000,
)
LIVE = ("<script>alert", "<img src=x", "<svg/onload", '<a href="javascript', "49{% raw")
"""What must not stand on a page, in small letters."""
