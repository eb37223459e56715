"""A string, counted once: words, sentences, syllables, tokens and what is known of them."""

from profiler.text import final_answer, parser
from profiler.text.chunks import IntArray, runs
from profiler.text.counting import Batch, Text, ratio
from profiler.text.marks import Mark, marks
from profiler.text.scripts import unspaced, wordless

__all__ = [
    "Batch",
    "IntArray",
    "Mark",
    "Text",
    "final_answer",
    "marks",
    "parser",
    "ratio",
    "runs",
    "unspaced",
    "wordless",
]
