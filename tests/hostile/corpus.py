"""What should not be given to the command, as data: a line an input. `python -m tests.hostile.corpus` counts them."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path
from typing import NamedTuple


class Case(NamedTuple):
    """Words of a command, the files that it finds, and what it says."""

    words: tuple[str, ...]
    said: str
    files: tuple[tuple[str, bytes], ...] = ()
    code: int = 2
    stdin: str = ""


def files(*words: str, named: dict[str, tuple[bytes, str]], code: int = 2) -> list[Case]:
    """A case for each file: {} among the WORDS is its name."""
    return [
        Case(tuple(word.replace("{}", name) for word in words), said, ((name, content),), code)
        for name, (content, said) in named.items()
    ]


def options(*words: str, refused: dict[str, list[str]]) -> list[Case]:
    """A case for each value of each option, which is named in what is said: as it is written, or as a field."""
    return [
        Case((*words, f"{option}={value}"), option.replace("--repetition-", ""))
        for option, values in refused.items()
        for value in values
    ]


ROW = b'{"text": "a b c"}\n'
PACKED = gzip.compress(ROW * 9999)
HUGE = ["nan", "inf", "-inf", "1e400", "-1", "x", ""]
WHOLE = ["0", "-1", "1.5", "1e3", "x", "", "9" * 24]
SEEDS = ["-1", "1.5", "x", "", "1" + "0" * 23, "9" * 400]
WIRE = ("profile", "m", "--url", "http://127.0.0.1:9/v1", "-p", "attributes")
SAMPLE = ("sample", "m@http://127.0.0.1:9/v1", "--prompts", "mini", "--out", "pool")

DATA: dict[str, tuple[bytes, str]] = {
    "empty.jsonl": (b"", "holds no rows"),
    "blank.jsonl": (b"\n\n \n", "holds no rows"),
    "twice.csv": (b"text,text\na,b\n", "two columns 'text'"),
    "more.csv": (b"text\na,b\n", "expected 1 columns"),
    "less.csv": (b"text,id\na\n", "expected 2 columns"),
    "quote.csv": (b'text\n"a\n', "unexpected end"),
    "latin.csv": (b"text\ncaf\xe9\n", "latin.csv is not UTF-8: save it as UTF-8"),
    "null.csv": (b"id\n1\n", "expected a column"),
    "semicolons.csv": (b"text;id\na;1\n", "semicolons between its columns: save it with commas"),
    "nothing.csv": (b"", "holds no rows"),
    "nest.jsonl": (b'{"text": ' + b"[" * 100_000 + b"\n", "line 1 is not JSON"),
    "utf16.jsonl": ('{"text": "a"}'.encode("utf-16"), "line 1 is not UTF-8"),
    "utf32.jsonl": ('{"text": "a"}'.encode("utf-32"), "line 1 is not UTF-8"),
    "latin.jsonl": (b'{"text": "caf\xe9"}\n', "line 1 is not UTF-8: save it as UTF-8"),
    "half.jsonl": (b'{"text": "\\ud83d"}\n', "line 1 is not JSON"),
    "nan.jsonl": (b'{"text": NaN}\n', "line 1 is not JSON: NaN and Infinity are none"),
    "single.jsonl": (b"{'text': 'a'}\n", "line 1 is not JSON"),
    "comma.jsonl": (b'{"text": "a",}\n', "line 1 is not JSON"),
    "two.jsonl": (ROW.strip() * 2, "line 1 is not JSON"),
    "second.jsonl": (ROW + b"{\n", "line 2 is not JSON"),
    "zero.jsonl": (b"\0" * 99, "line 1 is not JSON"),
    "list.jsonl": (b"[1, 2]\n", "expected a JSON object"),
    "word.jsonl": (b'"text"\n', "expected a JSON object"),
    "void.jsonl": (b"null\n", "expected a JSON object"),
    "number.jsonl": (b'{"text": 5}\n', "expected text in column"),
    "none.jsonl": (b'{"text": null}\n', "expected text in column"),
    "parts.jsonl": (b'{"text": ["a"]}\n', "expected text in column"),
    "late.jsonl": (ROW + b'{"other": "a"}\n', "expected text in column"),
    "other.jsonl": (b'{"other": "a"}\n', "expected a column"),
    "torn.jsonl.gz": (PACKED[:-20], "cut off or not gzip"),
    "head.jsonl.gz": (PACKED[:5], "cut off or not gzip"),
    "sum.jsonl.gz": (PACKED[:-8] + b"\0" * 8, "cut off or not gzip"),
    "flip.jsonl.gz": (PACKED[:20] + b"\xff" * 9 + PACKED[29:], "cut off or not gzip"),
    "plain.jsonl.gz": (ROW, "cut off or not gzip"),
    "tail.jsonl.gz": (PACKED + b"junk", "cut off or not gzip"),
    "torn.csv.gz": (gzip.compress(b"text\n" + b"a\n" * 9999)[:-20], "line"),
    "endless.jsonl.gz": (gzip.compress(bytes(2**26 + 9), 1), "line 1 is longer than 67,108,864 bytes"),
    "torn.json.gz": (gzip.compress(b"[]")[:-9], "cut off or not gzip"),
    "torn.json": (b'[{"text": "a"}', "is not JSON"),
    "object.json": (b'{"text": "a"}', "expected a list of objects"),
    "words.json": (b'["a"]', "expected a list of objects"),
    "nest.json": (b"[" * 100_000, "is not JSON"),
    "empty.json": (b"", "is not JSON"),
    "empty.parquet": (b"", "not a whole Parquet file"),
    "torn.parquet": (b"PAR1xxxx", "not a whole Parquet file"),
    "hollow.parquet": (b"PAR1" + b"\0" * 90 + b"PAR1", "not a whole Parquet file"),
    "long.parquet": (b"PAR1" + b"\xff" * 90 + b"PAR1", "not a whole Parquet file"),
    "csv.parquet": (b"text\na\n", "not a whole Parquet file"),
    "text.txt": (b"a", "expected .jsonl"),
    "text.gz": (b"a", "expected .jsonl"),
    "text": (b"a", "expected .jsonl"),
}
GOOD = [
    Case(("score", "bom.jsonl", "-m", "words"), "", (("bom.jsonl", b"\xef\xbb\xbf" + ROW),), 0),
    Case(("score", "bom.csv", "-m", "words"), "", (("bom.csv", b"\xef\xbb\xbftext\na b\n"),), 0),
    Case(("score", "bom.json", "-m", "words"), "", (("bom.json", b"\xef\xbb\xbf[" + ROW.strip() + b"]"),), 0),
    Case(("score", "crlf.jsonl", "-m", "words"), "", (("crlf.jsonl", ROW.strip() + b"\r\n\r\n"),), 0),
    Case(("score", "-", "-m", "words"), "", code=0, stdin='\ufeff{"text": "a"}\n'),
    Case(("score", "-", "-m", "words"), "holds no rows"),
]
STEPS = zip("abcdefghi", "bcdefghij", strict=True)
BOMB = "a: &a [x, x]\n" + "".join(f"{y}: &{y} [*{x}, *{x}, *{x}, *{x}]\n" for x, y in STEPS)
SETTINGS: dict[str, tuple[bytes, str]] = {
    "bomb.yaml": (BOMB.encode(), "more than 100,000 parts"),
    "itself.yaml": (b"a: &a [*a]\n", "more than 100,000 parts"),
    "deep.yaml": (b"a: " + b"[" * 5000, "is not YAML"),
    "deep.json": (b'{"a": ' + b"[" * 100_000, "is not YAML"),
    "deep.toml": (b"a = " + b"[" * 5000, "is not TOML"),
    "date.yaml": (b"a: 2024-99-99\n", "is not YAML"),
    "long.json": (b'{"a": ' + b"9" * 5000 + b"}", "is not YAML"),
    "long.toml": (b"a = " + b"9" * 5000, "is not TOML"),
    "latin.yaml": (b"model: caf\xe9\n", "is not UTF-8: byte 10"),
    "latin.toml": (b'model = "caf\xe9"\n', "is not UTF-8: byte 12"),
    "utf16.yaml": ("a: b".encode("utf-16"), "is not UTF-8: byte 0"),
    "zero.yaml": (b"a: \0\n", "is not YAML"),
    "bell.yaml": (b"a: \x07\n", "is not YAML"),
    "list.yaml": (b"- a\n", "expected lines of `key: value`"),
    "word.yaml": (b"a\n", "expected lines of `key: value`"),
    "empty.yaml": (b"", "expected lines of `key: value`"),
    "many.yaml": (b"--- {}\n--- {}\n", "is not YAML"),
    "key.yaml": (b"? [a, b]\n: c\n", "is not YAML"),
    "number.yaml": (b"1: 2\n", "'1'"),
    "unknown.yaml": (b"nothing: 1\n", "'nothing'"),
    "tag.yaml": (b"a: !!python/object/apply:os.system [id]\n", "is not YAML"),
    "anchor.yaml": (b"a: *b\n", "is not YAML"),
    "tab.yaml": (b"a:\n\t- b\n", "is not YAML"),
    "twice.toml": (b"a = 1\na = 2\n", "is not TOML"),
    "word.toml": (b"a\n", "is not TOML"),
    "bom.toml": (b"\xef\xbb\xbfnothing = 1\n", "'nothing'"),
    "unknown.toml": (b"nothing = 1\n", "'nothing'"),
    "list.json": (b"[1]", "expected lines of `key: value`"),
    "settings.ini": (b"[a]\n", "expected .yaml"),
    "settings": (b"a", "expected .yaml"),
}
TEACHERS = {
    "temperature": ["nan", "inf", "-inf", "-1", "101", "'x'", "[]"],
    "top_p": ["nan", "-0.1", "1.1", "'x'"],
    "top_k": ["-1", "1.5", "'x'"],
    "repetition_penalty": ["0", "-1", "nan", "inf"],
    "max_tokens": ["-4", "1" + "0" * 22, "1.5", "'x'"],
    "seed": ["-1", "1" + "0" * 23, "1.5", "'x'"],
    "stop": ["5", "[5]"],
    "k": ["0", "-1", "1.5", "'x'"],
    "price": ["[1]", "['a', 'b']", "5"],
    "system": ["5", "[]"],
    "chat": ["'maybe'", "5"],
    "engine": ["'x'", "5"],
    "nothing": ["1"],
}
TEACHER = 'model = "m"\nurl = "http://127.0.0.1:9/v1"\n'
METRICS = {
    ":x": "no function at",
    "a_module_that_is_not_there:x": "no function at",
    "..:x": "no function at",
    "os:": "no function at",
    ":": "no function at",
    "os:system": "failed: TypeError",
    "json:dumps": "failed: ValueError",
    "math:pi": "neither a Metric nor a function",
    "nothing": "no metric 'nothing'",
    "": "no metric ''",
    "[/bold]": "no metric",
    "toxicity:nothing": "nothing",
    "\x1b[31m": "no metric '\\x1b[31m'",
}
GOALS = ["", "max:", ":words", "near:words", "near:words=x", "near:words=nan", "1e400*max:words", "x*max:words", "::"]
PROFILES: dict[str, tuple[bytes, str]] = {
    "torn": (b"{", "is damaged"),
    "empty": (b"", "is damaged"),
    "list": (b"[]", "is damaged"),
    "none": (b"null", "is damaged"),
    "word": (b'"a"', "is damaged"),
    "bytes": (b"\xff\xfe", "is damaged"),
    "nest": (b"[" * 100_000, "is damaged"),
    "lacking": (b"{}", "is damaged"),
    "version": (b'{"schema_version": "x"}', "is damaged"),
    "endless": (b'{"schema_version": 1e999}', "is damaged"),
    "digits": (b'{"a": ' + b"9" * 5000 + b"}", "is damaged"),
}
NEWER = b'{"schema_version": 99}'
NUMBERS = [b'"NaN"', b'"Infinity"', b'"1"', b"NaN", b"-Infinity", b"1e999"]


def holding(number: bytes) -> bytes:
    """A profile that a run has left, with another number in a place of one of its own."""
    left = Path(__file__).parents[1] / "golden/behaviour/profile_of_a_server_that_echoes/profile.json"
    whole = left.read_bytes().replace(b"TIME", b"2026-11-29T09:00:00Z").replace(b"{VERSIONS}", b"{}")
    return whole.replace(b"SECONDS", b"1").replace(b'"value": 0.25', b'"value": ' + number, 1)


class Planted:
    """What runs a command where a pickle is opened without care."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (open, ("planted",))


CONFIG = json.dumps({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}).encode()
CODE = json.dumps({"model_type": "mine", "auto_map": {"AutoModelForCausalLM": "x.Y"}}).encode()
CHECKPOINTS: dict[str, tuple[tuple[tuple[str, bytes], ...], str]] = {
    "pickled": (
        (("config.json", CONFIG), ("pytorch_model.bin", pickle.dumps(Planted(), 2))),
        "save them as safetensors",
    ),
    "junk": ((("config.json", CONFIG), ("model.safetensors", b"\xff" * 64)), "can't load"),
    "empty": ((("config.json", CONFIG), ("model.safetensors", b"")), "can't load"),
    "none": ((("config.json", CONFIG),), "can't load"),
    "torn": ((("config.json", b'{"model_type":'),), "can't load"),
    "list": ((("config.json", b"[]"),), "can't load"),
    "latin": ((("config.json", b'{"model_type": "caf\xe9"}'),), "can't load"),
    "code": ((("config.json", CODE), ("x.py", b"open('planted', 'w')")), "can't load"),
}
TEMPLATES: dict[str, tuple[bytes, str]] = {
    "latin.txt": (b"caf\xe9 {prompt} {first} {second}", "is not UTF-8"),
    "empty.txt": (b"", "no place for {prompt}"),
    "braces.txt": (b"{x} {0} {a.b} {{", "no place for {prompt}"),
    "template.md": (b"{prompt}", "no judge prompt"),
}
ADDRESSES = {
    "http://[::1": "no address",
    "http://a..b/v1": "no address",
    f"http://{'a' * 70}.org/v1": "no address",
    "http://localhost:99999/v1": "no address",
    "http://localhost:x/v1": "no address",
    "localhost:8000/v1": "expected --url http",
    "ftp://localhost/v1": "expected --url http",
    "file:///etc/passwd": "expected --url http",
    "http://user:canary@localhost/v1": "a name or password",
    "http://localhost/v1?api_key=canary": "more than an address",
    "http://localhost/v1#canary": "more than an address",
    "http:///v1": "expected --url http",
    "http://": "expected --url http",
    "": "expected --url http",
}
KEYS = ["sk-canary-1234", "canary0123456789abcdef", "a b", "", "KEY=canary", "canary\nX: 1", "1canary", "Bearer canary"]

KINDS: dict[str, list[Case]] = {
    "data sets": files("score", "{}", "-m", "words", named=DATA) + GOOD,
    "prompts": files(
        "sample",
        "demo",
        "--prompts",
        "{}",
        "--out",
        "pool",
        named={name: (content, "") for name, (content, _) in DATA.items()},
    ),
    "settings of a profile": files("profile", "@{}", named=SETTINGS),
    "recipes": files("train", "@{}", named=SETTINGS),
    "studies": files("study", "@{}", named=SETTINGS),
    "teachers": [
        Case(("sample", "t.toml", *SAMPLE[2:]), name, (("t.toml", f"{TEACHER}{name} = {value}\n".encode()),))
        for name, values in TEACHERS.items()
        for value in values
    ],
    "addresses": [Case(("doctor", "m", "--url", url), said) for url, said in ADDRESSES.items()],
    "keys": [Case(("doctor", "m", "--url", "http://127.0.0.1:9/v1", "--key", key), "--key takes") for key in KEYS],
    "metrics": [Case(("score", "t.jsonl", "-m", name), said, (("t.jsonl", ROW),)) for name, said in METRICS.items()],
    "options of score": options("score", "t.jsonl", refused={"--workers": WHOLE}),
    "options of profile": options(
        *WIRE,
        refused={
            "--temperature": [*HUGE, "101"],
            "--top-p": [*HUGE, "2"],
            "--repetition-penalty": [*HUGE, "0"],
            "--top-k": ["-1", "1.5", "x", ""],
            "--max-tokens": WHOLE,
            "--seed": SEEDS,
            "--limit": WHOLE[:-1],
            "--samples": WHOLE[:-1],
            "--concurrency": WHOLE,
        },
    ),
    "options of sample": options(
        *SAMPLE,
        refused={
            "--temperature": [*HUGE, "101"],
            "--top-p": [*HUGE, "2"],
            "--repetition-penalty": [*HUGE, "0"],
            "--max-tokens": WHOLE,
            "--seed": SEEDS,
            "-k": WHOLE,
            "--concurrency": WHOLE,
        },
    ),
    "goals": [Case(("select", "pool", "--objective", goal, "--out", "o"), "expected") for goal in GOALS],
    "profiles": [
        Case(("show", f"runs/{name}"), said, ((f"runs/{name}/profile.json", content),))
        for name, (content, said) in PROFILES.items()
    ]
    + [
        Case(("show", "runs/number"), "is damaged", (("runs/number/profile.json", holding(number)),))
        for number in NUMBERS
    ]
    + [Case(("show", "runs/newer"), "upgrade inherit", (("runs/newer/profile.json", NEWER),), 1)],
    "pools": [
        Case(("select", "pool", "--objective", "max:words", "--out", "o"), said, (("pool/pool.json", content),))
        for content, said in PROFILES.values()
    ],
    "templates": files("judge", "demo", "--prompt", "{}", "--pairs", "mini", named=TEMPLATES),
    "checkpoints": [
        Case(("doctor", f"./{name}"), said, tuple((f"{name}/{file}", content) for file, content in parts))
        for name, (parts, said) in CHECKPOINTS.items()
    ],
}


def choice(**fields: object) -> bytes:
    """A reply of one choice."""
    return json.dumps({"choices": [{"index": 0, "text": "fine", "finish_reason": "stop", **fields}]}).encode()


VALUES = [None, 5, 1.5, True, [], {}, ["a"], {"a": "b"}]
"""What a text can't be."""

REPLIES: list[bytes] = [
    *(json.dumps(value).encode() for value in (None, 5, "a", [], {}, [[]], {"choices": None}, {"choices": 5})),
    *(json.dumps({"choices": value}).encode() for value in ([], {}, "a", [None], [5], ["a"], [[]], [{}])),
    *(choice(text=value) for value in VALUES),
    *(choice(finish_reason=value) for value in (5, [], {})),
    *(choice(index=value) for value in ("a", [], 1.5)),
    *(choice(logprobs=value) for value in (5, "a", [])),
    *(choice(logprobs={"tokens": value}) for value in (5, "a", [5], {})),
    *(choice(logprobs={"top_logprobs": value}) for value in (5, "a", [5], [{"a": "b"}])),
    *(choice(message=value) for value in (5, "a", [], {}, {"content": 5}, {"content": ["a"]})),
    *(choice(text=None, finish_reason=why) for why in ("stop", "length", "content_filter", "tool_calls")),
    choice(text="", finish_reason="content_filter"),
    choice(text="a" * 1_000_001),
    choice()[:-1],
    choice() * 2,
    choice() + b"junk",
    b"data: " + choice() + b"\n\ndata: [DONE]\n",
    choice().replace(b"fine", b"caf\xe9"),
    choice().replace(b"fine", b"a\x01b"),
    choice().replace(b'"fine"', b"NaN"),
    choice().replace(b'"fine"', b"9" * 5000),
    json.dumps({"choices": [{"text": "fine"}]}).encode("utf-16"),
    b'{"choices": ' + b"[" * 100_000,
    b"<html>Bad gateway</html>",
    b"\0" * 99,
    b"\xff\xfe",
    b" ",
    b"'",
    b"OK",
]
"""What a server may send with status 200 for a text, and none is one."""


if __name__ == "__main__":
    counts = {**{kind: len(cases) for kind, cases in KINDS.items()}, "replies": len(REPLIES)}
    for kind, count in counts.items():
        print(f"{count:4}  {kind}")
    print(f"{sum(counts.values()):4}  in all")
