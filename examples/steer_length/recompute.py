"""The report's numbers again, from the stored Parquet alone: NumPy and PyArrow, nothing of inherit.

python recompute.py [FOLDER]              FOLDER is a study's folder; the committed results if left out
python recompute.py FOLDER --slim OUT     the scores of a study, without its texts, as they are committed here
"""

import argparse
import json
from math import comb
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


def candidates(folder: Path) -> list[dict]:
    """Every candidate that passed the gates, with its scores and the place of its prompt."""
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
    return [row for row in own if not row["gates"]]


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
        keep = ["prompt_id", "source", "index", "gates", *(f"score.{metric}" for metric in sorted(metrics))]
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
    runs = {(pupil["arm"], pupil["objective"], tuple(pupil["sources"])): pupil["run"] for pupil in report["pupils"]}
    base = runs["base", None, ()]
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
            control = runs["random", pupil["objective"], ("demo",)]
            gain = paired(scores(asked.folder, control, probe, metric), mine)
            wrong += compared(outcome["gain"], gain, f"{where} against random")
            steered = gain["low"] > 0 if outcome["want"] == "max" else gain["high"] < 0
            if steered != outcome["steered"]:
                wrong.append(f"{where}: steered is {outcome['steered']} in the report and {steered} here")
            shown = f"{gain['absolute']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
            line += f"  {shown:>24}  {'steered' if steered else 'not steered'}"
        print(line)
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
