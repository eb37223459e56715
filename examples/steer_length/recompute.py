"""The report's numbers again, from the stored Parquet alone: NumPy and PyArrow, nothing of inherit.

python recompute.py [FOLDER]              FOLDER is a study's folder; the committed results if left out
python recompute.py FOLDER --slim OUT     the scores of a study, without its texts, as they are committed here
"""

import argparse
import json
from math import comb, lgamma, pi
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

RESAMPLES = 10_000
KEYS = ("item", "error")


def scores(folder: Path, run: str, probe: str, metric: str) -> dict[str, float]:
    """Item → score, of the items that were answered and have one."""
    table = pq.read_table(folder / run / "samples" / f"{probe}.parquet", columns=[*KEYS, f"score.{metric}"])
    rows = table.to_pylist()
    return {
        row["item"]: row[f"score.{metric}"] for row in rows if not row["error"] and row[f"score.{metric}"] is not None
    }


def paired(base: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    """The change of a mean over the items that have a score on both sides, with a paired bootstrap interval."""
    items = sorted(base.keys() & other.keys())
    left, right = (np.array([side[item] for item in items]) for side in (base, other))
    drawn = np.random.default_rng(0).integers(0, len(items), (RESAMPLES, len(items)))
    change = (right - left)[drawn].mean(1)
    low, high = np.percentile(change, [2.5, 97.5])
    found = {"base": left.mean(), "other": right.mean(), "absolute": (right - left).mean(), "low": low, "high": high}
    return {name: float(value) for name, value in found.items()}


def compared(told: dict, again: dict[str, float], where: str) -> list[str]:
    """What the report tells otherwise: points to the last bits, ends of intervals to a tenth of their width."""
    wrong = [
        f"{where}: {name} is {told[name]} in the report and {again[name]} here"
        for name in ("base", "other", "absolute")
        if not np.isclose(told[name], again[name], rtol=1e-9, atol=1e-12)
    ]
    room = 0.1 * (again["high"] - again["low"]) + 1e-12
    return wrong + [
        f"{where}: {name} is {told[name]} in the report and {again[name]} here"
        for name in ("low", "high")
        if abs(told[name] - again[name]) > room
    ]


def beyond(t: float, degrees: int) -> float:
    """The chance that Student's |t| is larger, by integrating its density."""
    at = np.linspace(0, min(t, 1e3), 200_001)
    front = np.exp(lgamma((degrees + 1) / 2) - lgamma(degrees / 2)) / np.sqrt(degrees * pi)
    return float(1 - 2 * np.trapezoid(front * (1 + at**2 / degrees) ** (-(degrees + 1) / 2), at))


def over_seeds(gains: list[dict[str, float]]) -> dict[str, float]:
    """The mean of gains, with the spread of trainings and of prompts in its interval: docs/statistics.md."""
    values = np.array([gain["absolute"] for gain in gains])
    prompts = np.mean([((gain["high"] - gain["low"]) / 3.919928) ** 2 for gain in gains])
    spread = values.var(ddof=1) / len(gains) if len(gains) > 1 else 0.0
    error, degrees = np.sqrt(spread + prompts), 10**6
    if spread:
        degrees = int(min((len(gains) - 1) * (spread + prompts) / spread, 200))
    low, high = 0.0, 100.0
    while high - low > 1e-9:
        low, high = (low, t) if beyond(t := (low + high) / 2, degrees) < 0.05 else (t, high)
    mean = values.mean()
    ends = {"absolute": mean, "low": mean - low * error, "high": mean + low * error}
    return {**ends, "p": beyond(abs(mean) / error, degrees)}


def holm(ps: dict[tuple, float]) -> dict[tuple, float]:
    """Each p, corrected for the others."""
    made, most = {}, 0.0
    for place, (kind, p) in enumerate(sorted(ps.items(), key=lambda item: item[1])):
        most = max(most, min(1.0, p * (len(ps) - place)))
        made[kind] = most
    return made


def verdicts(told: list[dict]) -> list[str]:
    """What the report says otherwise of its verdicts, from the gains that it tells."""
    alike: dict[tuple, list[dict]] = {}
    for outcome in told:
        if outcome["gain"]:
            pupil = outcome["pupil"]
            alike.setdefault((pupil["objective"], pupil["arm"], *pupil["sources"]), []).append(outcome)
    over = {kind: over_seeds([outcome["gain"] for outcome in some]) for kind, some in alike.items()}
    corrected, wrong = holm({kind: found["p"] for kind, found in over.items()}), []
    for kind, some in alike.items():
        for outcome in some:
            where = f"{outcome['pupil']['arm']} {outcome['pupil']['objective']}"
            if not np.isclose(outcome["p_family"], corrected[kind], rtol=1e-4, atol=1e-6):
                wrong.append(f"{where}: the corrected p is {outcome['p_family']} in the report, {corrected[kind]} here")
            best, found = (outcome["over"], over[kind]) if len(some) > 1 else (outcome["gain"], outcome["gain"])
            wrong += [
                f"{where}: {end} over seeds is {best[end]} in the report and {found[end]} here"
                for end in ("absolute", "low", "high")
                if not np.isclose(best[end], found[end], rtol=1e-4)
            ]
            if outcome["steered"] != (best["low"] > 0 if outcome["want"] == "max" else best["high"] < 0):
                wrong.append(f"{where}: steered is {outcome['steered']} in the report, and its interval says otherwise")
    return wrong


def candidates(folder: Path) -> list[dict]:
    """Every candidate that passed the filters, with its scores and the place of its prompt."""
    rows = [
        row for file in sorted(folder.glob("pools/*/scores/*/*.parquet")) for row in pq.read_table(file).to_pylist()
    ]
    place = {name: number for number, name in enumerate(dict.fromkeys(row["prompt_id"] for row in rows))}
    first: dict[int, int] = {}
    for row in rows:
        row["bands"] = [value for name, value in row.items() if name.startswith("band.") and value]
        for band in row["bands"]:
            first[band] = min(first.get(band, len(place)), place[row["prompt_id"]])
    # An answer that an earlier prompt has too, nearly word for word, is nobody's.
    own = [row for row in rows if all(first[band] == place[row["prompt_id"]] for band in row["bands"])]
    return [row for row in own if not row["filters"]]


def curve(rows: list[dict], metric: str, sources: list[str], want: str, count: int) -> np.ndarray:
    """Mean of METRIC when the best of 1, 2, … candidates is kept, over all ways to draw them."""
    found: dict[str, list[float]] = {}
    for row in rows:
        value = row[f"score.{metric}"]
        if row["source"] in sources and value is not None and value == value:
            found.setdefault(row["prompt_id"], []).append(value)
    return np.array([[expected(values, k + 1, want) for k in range(count)] for values in found.values()]).mean(0)


def expected(values: list[float], k: int, want: str) -> float:
    """Mean of the best of k drawn without replacement; all of them where there are fewer."""
    ordered = sorted(values, reverse=want == "max")
    n, k = len(ordered), min(k, len(ordered))
    return sum(value * comb(n - 1 - place, k - 1) / comb(n, k) for place, value in enumerate(ordered))


def slim(folder: Path, out: Path, runs: set[str], metrics: set[str]) -> None:
    """The scores of runs and candidates, without texts."""
    for file in folder.glob("pools/*/scores/*/*.parquet"):
        table = pq.read_table(file)
        keep = ["prompt_id", "source", "index", "filters", *(f"score.{metric}" for metric in sorted(metrics))]
        keep += [name for name in table.column_names if name.startswith("band.")]
        target = out / file.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.select(keep).replace_schema_metadata(None), target, compression="zstd")
    for run in runs:
        for file in (folder / run / "samples").glob("*.parquet"):
            table = pq.read_table(file)
            keep = [name for name in table.column_names if name in KEYS or name.startswith("score.")]
            target = out / run / "samples" / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table.select(keep).replace_schema_metadata(None), target, compression="zstd")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--slim", type=Path)
    asked = parser.parse_args()
    report = json.loads((asked.folder / "report.json").read_text("utf-8"))
    if asked.slim:
        runs = {pupil["run"] for pupil in report["pupils"]}
        slim(asked.folder, asked.slim, runs, {curve["metric"] for curve in report["curves"]})
        return
    keys = ("arm", "objective", "seed")
    runs = {(*(pupil[key] for key in keys), *pupil["sources"]): pupil["run"] for pupil in report["pupils"]}
    base = runs["base", None, 0]
    wrong: list[str] = []
    print(f"{'objective':12} {'arm':8} {'number':34} {'base':>8} {'student':>8}  {'against random':>24}  verdict")
    for outcome in report["outcomes"]:
        pupil, probe, metric = outcome["pupil"], outcome["probe"], outcome["metric"]
        mine = scores(asked.folder, pupil["run"], probe, metric)
        where = f"{pupil['arm']} {pupil['objective']}"
        again = paired(scores(asked.folder, base, probe, metric), mine)
        wrong += compared(outcome["change"], again, where)
        line = f"{pupil['objective']:12} {pupil['arm']:8} {probe + '.' + metric:34} {again['base']:8.3f}"
        line += f" {again['other']:8.3f}"
        if outcome["gain"]:
            control = runs["random", pupil["objective"], pupil["seed"], "demo"]
            gain = paired(scores(asked.folder, control, probe, metric), mine)
            wrong += compared(outcome["gain"], gain, f"{where} against random")
            shown = f"{gain['absolute']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
            line += f"  {shown:>24}  {'steered' if outcome['steered'] else 'not shown'}"
        print(line)
    wrong += verdicts(report["outcomes"])
    wants = {outcome["pupil"]["objective"]: outcome["want"] for outcome in report["outcomes"]}
    rows = candidates(asked.folder)
    for told in report["curves"]:
        again = curve(rows, told["metric"], told["sources"], wants[told["objective"]], len(told["best"]))
        if not np.allclose(again, told["best"], rtol=1e-9):
            wrong.append(
                f"best of k by {told['objective']} of {told['sources']}: {told['best']} in the report, {again} here"
            )
    print("\n".join(wrong) or "the report says the same")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
