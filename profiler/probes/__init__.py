"""A probe asks a model things and scores each answer; its instances, one a file."""

from profiler.probes import forms
from profiler.probes.bbq.items import BbqQuestion, items
from profiler.probes.bbq.probe import Bbq
from profiler.probes.crows_pairs import SentencePair
from profiler.probes.final_answer import OF_TEXTS, answer_scores, right
from profiler.probes.forms import first, forms_of
from profiler.probes.preferences import Preferences
from profiler.probes.probe import PROBES, Probe, ProbeOptions, Suite, every, get, refuse_idle, register, served
from profiler.probes.stereoset import Cluster, Clusters

__all__ = [
    "OF_TEXTS",
    "PROBES",
    "Bbq",
    "BbqQuestion",
    "Cluster",
    "Clusters",
    "Preferences",
    "Probe",
    "ProbeOptions",
    "SentencePair",
    "Suite",
    "answer_scores",
    "every",
    "first",
    "forms",
    "forms_of",
    "get",
    "items",
    "refuse_idle",
    "register",
    "right",
    "served",
]
