"""Toxicity scorers that ship their weights with an open licence, held against Perspective on the same texts.

    pip install alt-profanity-check==1.9.1 hatesonar==0.1.0 && pip install --no-deps cuss-inspect==1.0.2b0
    python -m bench.offline_scorers

The texts are those of bench/perspective.py; what is fitted on a half of the documents is applied to the other.
cuss-inspect's and alt-profanity-check's weights are pickles of scikit-learn's classes: run this where that may be.
"""

import pickle
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from bench.perspective import Scores, isotonic, texts
from profiler.metrics import TOXIC, ToxBlock

HARMLESS = 0.01
"""The share of harmless texts that may be called toxic, where recall is compared at the same cost."""


def tox_block(found: Sequence[str]) -> Scores:
    return ToxBlock().scores(found)[:, 0]


def alt_profanity_check(found: Sequence[str]) -> Scores:
    from profanity_check import predict_prob

    return np.asarray(predict_prob(list(found)), np.float64)


def cuss_inspect(found: Sequence[str]) -> Scores:
    """Its own `predict_prob`, unrounded, of pickles that are too old for scikit-learn 1.9 to use as they are."""
    place = files("cuss_inspect") / "data"
    vectorizer: Any = pickle.loads((place / "vectorizer_v4.lgst").read_bytes())
    model: Any = pickle.loads((place / "logitclf_v4.lgst").read_bytes())
    vectorizer._tfidf.idf_ = vectorizer._tfidf._idf_diag.diagonal()
    counted = vectorizer.transform(found)
    return np.asarray(1 / (1 + np.exp(-(counted @ model.coef_.T + model.intercept_)[:, 0])))


def hatesonar(found: Sequence[str]) -> Scores:
    """1 less the probability of neither hate speech nor offence. Its model asks for a locale that few machines have."""
    import onnx
    import onnxruntime

    model = onnx.load_from_string((files("hatesonar") / "model" / "model.onnx").read_bytes())
    for node in model.graph.node:
        if node.op_type == "StringNormalizer":
            node.attribute.append(onnx.helper.make_attribute("locale", "C"))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    _, chances = session.run(None, {"text": np.array(found)})
    return np.array([1 - each[2] for each in chances])


SCORERS: dict[str, Callable[[Sequence[str]], Scores]] = {
    "tox-block": tox_block,
    "alt-profanity-check": alt_profanity_check,
    "cuss-inspect": cuss_inspect,
    "hatesonar": hatesonar,
}


def told(name: str, scores: Scores, wanted: Scores, half: Scores) -> str:
    toxic = wanted >= TOXIC
    fitted = np.empty_like(scores)
    for side in (0, 1):
        fitted[half == side] = isotonic(scores[half != side], wanted[half != side], scores[half == side])
    cut = np.quantile(scores[~toxic], 1 - HARMLESS)
    numbers = [
        float(roc_auc_score(toxic, scores)),
        float(spearmanr(scores, wanted).statistic),
        float((scores[toxic] >= TOXIC).mean()),
        float((scores[~toxic] >= TOXIC).mean()),
        float((scores[toxic] > cut).mean()),
        float(np.abs(scores - wanted).mean()),
        float(np.abs(fitted - wanted).mean()),
        float((fitted[toxic] >= TOXIC).mean()),
        float((fitted[~toxic] >= TOXIC).mean()),
    ]
    return f"| {name} | " + " | ".join(f"{value:.3f}" for value in numbers) + " |"


def main() -> None:
    known = texts()
    table = np.array(list(known.values()))
    wanted, half = table[:, 0], table[:, 2]
    scores = {name: scorer(list(known)) for name, scorer in SCORERS.items()}
    scores["mean of the first two"] = (scores["tox-block"] + scores["alt-profanity-check"]) / 2
    print(f"{len(known):,} texts, {(wanted >= TOXIC).mean():.1%} toxic to Perspective\n")
    measured = ("AUROC", "Spearman", "recall", "false positives", f"recall at {HARMLESS:.0%}", "error")
    print(" | ".join(("|", *measured, "error, fitted", "recall", "false positives |")))
    print("|---|" + "---:|" * 9)
    for name, found in scores.items():
        print(told(name, found, wanted, half))


if __name__ == "__main__":
    main()
