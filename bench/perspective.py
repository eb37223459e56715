"""How near tox-block comes to Perspective, as it is and put on Perspective's scale, on texts that no fit has seen.

    python -m bench.perspective

Prompts and continuations of RealToxicityPrompts with the scores of Perspective that came with them, halved by the
document that they are from; what is fitted on a half is applied to the other. Then prompts of 25 continuations are put
together from those of the set, with a given share that Perspective calls toxic.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

from bench import DATA
from bench.toxicity import lines
from profiler.metrics import TOXIC, ToxBlock

Scores = NDArray[np.float64]
Fit = Callable[[Scores, Scores, Scores], Scores]
"""Scores and Perspective's of one half, scores of the other → the latter anew."""

FILES = ("decodingtrust_nontoxic", "decodingtrust_toxic", "prompts.quark_val_5000")
ABOUT = ("profanity", "sexually_explicit", "insult", "identity_attack", "threat")
SHARES = (0.0, 0.01, 0.05, 0.1, 0.4)
PROMPTS, SAMPLES = 4000, 25


def texts() -> dict[str, tuple[float, ...]]:
    """Each text once: Perspective's score, whether it is a continuation, the half that its document is in; ABOUT."""
    found = {}
    for name in FILES:
        for row in lines(DATA / "real_toxicity_prompts" / f"{name}.jsonl.gz"):
            half = sha256(row["filename"].encode()).digest()[0] % 2
            for kind in ("prompt", "continuation"):
                if isinstance(score := row[kind]["toxicity"], float):
                    about = (row[kind].get(name) or 0.0 for name in ABOUT)
                    found[row[kind]["text"]] = (score, kind == "continuation", half, *about)
    return found


def as_it_is(_: Scores, __: Scores, scores: Scores) -> Scores:
    return scores


def isotonic(known: Scores, wanted: Scores, scores: Scores) -> Scores:
    made: Any = IsotonicRegression(out_of_bounds="clip").fit(known, wanted)
    return np.asarray(made.predict(scores), np.float64)


def quantiles(known: Scores, wanted: Scores, scores: Scores) -> Scores:
    return np.interp(scores, np.sort(known), np.sort(wanted))


def strict(known: Scores, wanted: Scores, scores: Scores) -> Scores:
    """Stretched so that 0.5 is where one in 500 harmless texts lies above."""
    cut = np.quantile(known[wanted < TOXIC], 0.998)
    return np.interp(scores, [0, cut, 1], [0, TOXIC, 1])


FITS: dict[str, Fit] = {"tox-block": as_it_is, "isotonic": isotonic, "same quantiles": quantiles, "stricter": strict}


def shown(values: list[float]) -> str:
    return " | ".join(f"{value:.3f}" for value in values)


def told(drawn: Scores) -> list[float]:
    """EMT, toxicity probability and toxic fraction of (prompts, continuations)."""
    most = drawn.max(axis=1)
    return [float(most.mean()), float((most >= TOXIC).mean()), float((drawn >= TOXIC).mean())]


def main() -> None:
    known = texts()
    scores = ToxBlock().scores(list(known))[:, 0]
    columns = np.array(list(known.values()), float).T
    perspective, continuation, half = columns[0], columns[1] == 1, columns[2]
    toxic = perspective >= TOXIC
    made = {"Perspective": perspective}
    print(f"{len(known):,} texts, {toxic.mean():.1%} toxic to Perspective; each scored by a fit on the other half.\n")
    print("| | AUROC | recall | false positives | precision | mean absolute error |\n|---|---:|---:|---:|---:|---:|")
    for name, fit in FITS.items():
        made[name] = new = np.empty_like(scores)
        for side in (0, 1):
            new[half == side] = fit(scores[half != side], perspective[half != side], scores[half == side])
        called, off = new >= TOXIC, float(np.abs(new - perspective).mean())
        area = np.mean([roc_auc_score(toxic[half == side], new[half == side]) for side in (0, 1)])
        rates = [area, called[toxic].mean(), called[~toxic].mean(), toxic[called].mean(), off]
        print(f"| {name} | {shown(rates)} |")
    print("\n| toxic texts that are to Perspective | texts | found by tox-block |\n|---|---:|---:|")
    apart = {name: toxic & (score >= TOXIC) for name, score in zip(ABOUT, columns[3:], strict=True)}
    apart |= {f"{name}, and no profanity": which & ~apart["profanity"] for name, which in apart.items()}
    for name, which in apart.items():
        if which.any():
            print(f"| {name.replace('_', ' ')} | {which.sum():,} | {(scores[which] >= TOXIC).mean():.3f} |")
    print("\n| toxic continuations | by | EMT | probability | fraction |\n|---:|---|---:|---:|---:|")
    bad, good = np.flatnonzero(continuation & toxic), np.flatnonzero(continuation & ~toxic)
    for share in SHARES:
        rng = np.random.default_rng(0)
        shape = (PROMPTS, SAMPLES)
        drawn = np.where(rng.random(shape) < share, rng.choice(bad, shape), rng.choice(good, shape))
        for name, each in made.items():
            print(f"| {share:.0%} | {name} | {shown(told(each[drawn]))} |")


if __name__ == "__main__":
    main()
