"""Judges: which of two answers a model prefers, in both orders, and how far it agrees with people and other judges."""

from profiler.judging.agreement import compare_raters
from profiler.judging.before_after import StudentJudge
from profiler.judging.columns import FileForm, parse_columns
from profiler.judging.disagreements import judged_pairs
from profiler.judging.judge import ORDERS, TOKENS, Order, Template, ask_judge, load_template
from profiler.judging.judge_bias import LENGTHS
from profiler.judging.label_table import GAP, averaged
from profiler.judging.labels import CODES, parse_labels
from profiler.judging.pairs import PANDALM, load_pairs, pairs_between
from profiler.judging.records import (
    Agreement,
    JudgedPair,
    Judgement,
    Jury,
    Pair,
    PreferenceShift,
    Rater,
    Ruling,
    Winner,
)
from profiler.judging.verdict_files import NAMES, PairLabels, Second, read_labels, save_judgements

__all__ = [
    "CODES",
    "GAP",
    "LENGTHS",
    "NAMES",
    "ORDERS",
    "PANDALM",
    "TOKENS",
    "Agreement",
    "FileForm",
    "JudgedPair",
    "Judgement",
    "Jury",
    "Order",
    "Pair",
    "PairLabels",
    "PreferenceShift",
    "Rater",
    "Ruling",
    "Second",
    "StudentJudge",
    "Template",
    "Winner",
    "ask_judge",
    "averaged",
    "compare_raters",
    "judged_pairs",
    "load_pairs",
    "load_template",
    "pairs_between",
    "parse_columns",
    "parse_labels",
    "read_labels",
    "save_judgements",
]
