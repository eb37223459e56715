"""Judges: which of two answers a model prefers, in both orders, and how far it agrees with people and other judges."""

from profiler.judging.agreement import compare_raters
from profiler.judging.ask import TOKENS
from profiler.judging.ask import ask_judge
from profiler.judging.before_after import StudentJudge
from profiler.judging.columns import ColumnRoles
from profiler.judging.columns import parse_columns
from profiler.judging.columns import parse_labels
from profiler.judging.judge_bias import LENGTHS
from profiler.judging.label_table import GAP
from profiler.judging.label_table import averaged
from profiler.judging.pairs import PANDALM
from profiler.judging.pairs import PANDALM_FILE
from profiler.judging.pairs import load_pairs
from profiler.judging.pairs import mini_pairs
from profiler.judging.pairs import pairs_between
from profiler.judging.pairs import pandalm_pairs
from profiler.judging.pairs import some_pairs
from profiler.judging.prompt import ORDERS
from profiler.judging.prompt import Order
from profiler.judging.prompt import Template
from profiler.judging.prompt import load_template
from profiler.judging.records import Agreement
from profiler.judging.records import Judgement
from profiler.judging.records import Jury
from profiler.judging.records import Pair
from profiler.judging.records import Rater
from profiler.judging.records import Ruling
from profiler.judging.records import TasteShift
from profiler.judging.records import Winner
from profiler.judging.verdict_files import CODES
from profiler.judging.verdict_files import NAMES
from profiler.judging.verdict_files import PairLabels
from profiler.judging.verdict_files import Second
from profiler.judging.verdict_files import read_labels
from profiler.judging.verdict_files import save_judgements

__all__ = [
<<<<<<< OURS
    "CODES", "GAP", "LENGTHS", "NAMES", "ORDERS", "PANDALM", "PANDALM_FILE", "TOKENS", "Agreement", "ColumnRoles",
    "Judgement", "Jury", "Order", "Pair", "PairLabels", "Rater", "Ruling", "Second", "StudentJudge", "TasteShift",
    "Template", "Winner", "ask_judge", "averaged", "compare_raters", "load_pairs", "load_template", "mini_pairs",
    "pairs_between", "pandalm_pairs", "parse_columns", "parse_labels", "parse_template", "read_labels",
    "read_verdict", "save_judgements", "some_pairs",
]  # fmt: skip
=======
    "CODES",
    "GAP",
    "LENGTHS",
    "NAMES",
    "ORDERS",
    "PANDALM",
    "PANDALM_FILE",
    "TOKENS",
    "Agreement",
    "ColumnRoles",
    "Judgement",
    "Jury",
    "Order",
    "Pair",
    "PairLabels",
    "Rater",
    "Ruling",
    "Second",
    "StudentJudge",
    "TasteShift",
    "Template",
    "Winner",
    "ask_judge",
    "averaged",
    "compare_raters",
    "load_pairs",
    "load_template",
    "mini_pairs",
    "pairs_between",
    "pandalm_pairs",
    "parse_columns",
    "parse_labels",
    "read_labels",
    "save_judgements",
    "some_pairs",
]
>>>>>>> THEIRS
