"""The profiler service: many runs and readers, a million samples, profiles compared, texts measured, jobs watched."""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import orjson

from bench import crowd
from bench.client import LATENCY
from bench.crowd import WATCHERS
from profiler import metrics
from profiler.records import Generation, Profile, Sample
from profiler.runs.sample_store import EXAMPLES, Journal, Run, read_profile, save_profile
from profiler.service import ServiceOptions, application
from profiler.text import Text

RUNS = 10_000
SAMPLES = 1_000_000
BBQ = 58_492
TEXTS = 1_000
TEACHER, STUDENT = (EXAMPLES / "example" / name for name in ("teacher", "student"))
WORDS = ("the", "model", "answers", "light", "water", "bread", "green", "people", "said", "because", "winter", "paper")


class Service(NamedTuple):
    """A service in a process of its own."""

    place: str
    pid: int

    def get(self, path: str) -> float:
        """Seconds until the whole page is there."""
        start = time.perf_counter()
        self.sent("GET", path)
        return time.perf_counter() - start

    def sent(self, method: str, path: str, body: bytes | None = None) -> bytes:
        line = http.client.HTTPConnection(self.place, timeout=120)
        line.request(method, path, body)
        answer = line.getresponse()
        told = answer.read()
        assert answer.status == 200, (path, answer.status, told[:300])
        line.close()
        return told

    def memory(self) -> float:
        """Most memory so far, in MB."""
        found = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{self.pid}/status").read_text("utf-8"))
        assert found
        return int(found[1]) / 1000


@contextlib.contextmanager
def served(out: Path) -> Iterator[Service]:
    command = [sys.executable, "-c", "from profiler.cli import main; main()", "ui", "--no-browser", "--port", "0"]
    with subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        place = urlsplit(process.stdout.readline().strip()).netloc
        try:
            yield Service(place, process.pid)
        finally:
            process.terminate()


def p95(taken: Sequence[float]) -> float:
    return float(np.quantile(taken, 0.95))


def ms(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms"


def line(what: str, value: str, wanted: str) -> None:
    print(f"| {what} | {value} | {wanted} |", flush=True)


def many_runs(out: Path) -> None:
    record = orjson.loads((TEACHER / "profile.json").read_bytes())
    for place in range(RUNS):
        folder = out / f"20261129-{place:06}-model-{place:08x}"
        folder.mkdir()
        told = record | {"id": folder.name, "name": f"model-{place % 100}"}
        (folder / "profile.json").write_bytes(orjson.dumps(told))
    index = application(ServiceOptions(out=out)).state.index
    start = time.perf_counter()
    index.refresh()
    line(f"index of {RUNS:,} runs made anew", f"{time.perf_counter() - start:.1f} s", "30 s")
    with served(out) as service:
        service.get("/")
        pages = ["/", "/?q=model-7", "/?sort=name", "/?sort=items&down=false"] * 15
        line("runs page, p95", ms(p95([*map(service.get, pages)])), "100 ms")
        others = [f"/?q=model-{place % 100}&sort=name&after=%5B%22model-99%22,%22{place}%22%5D" for place in range(500)]
        for what, asked in (("the same pages", pages * 25), ("pages that nobody had asked for", others)):
            took = crowd.read(service.place, asked)
            known = ms(p95([each.first for each in took])), ms(p95([each.whole for each in took]))
            line(f"{crowd.READERS} readers at once of {what}, first byte, p95", known[0], "100 ms")
            line("… whole page, p95", known[1], "")


def watchers(out: Path) -> None:
    """Jobs alone and watched take turns, on a server that answers after 100 ms."""
    command = [sys.executable, "-m", "bench.client", "serve", str(LATENCY)]
    with served(out) as service, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        url = server.stdout.readline().strip()
        pairs = [
            [crowd.sampled(service.place, service.pid, out, url, 2 * turn + bool(many), many) for many in (0, WATCHERS)]
            for turn in range(5)
        ]
        server.terminate()
    slower = statistics.median(watched.seconds / alone.seconds for alone, watched in pairs) - 1
    more = [(watched.service - alone.service) / watched.seconds for alone, watched in pairs]
    line(f"{WATCHERS} watchers add to a job's time, median of 5 pairs", f"{slower:+.1%}", "5 %")
    line("… of one core to the service's, median", f"{statistics.median(more):.1%}", "")


def many_samples(out: Path) -> None:
    rng = np.random.default_rng(0)
    record = read_profile(TEACHER / "profile.json")
    for name in ("a", "b"):
        (out / name).mkdir()
        save_profile(out / name, record.model_copy(update={"id": name}))
        journal = Journal(out / name, "attributes")
        for start in range(0, SAMPLES, 1000):
            texts = [" ".join(row) for row in np.array(WORDS)[rng.integers(0, len(WORDS), (1000, 40))]]
            values = rng.normal(100, 30, (1000, 2)).tolist()
            journal.append(_sample(start + row, texts[row], *values[row]) for row in range(1000))
        journal.seal()
    at = "/runs/a/samples/attributes"
    asked = {
        "a page": [f"{at}?after={row}" for row in range(0, SAMPLES, SAMPLES // 9)],
        "by group": [f"{at}?group=g{group}&after={row}" for group in range(3) for row in (0, 500_000, 900_000)],
        "by score": [f"{at}?score=words&low={low}" for low in range(190, 260, 8)],
        "failed": [f"{at}?only=error&after={row}" for row in range(0, SAMPLES, SAMPLES // 9)],
        "undefined": [f"{at}?only=undefined&after={row}" for row in range(0, SAMPLES, SAMPLES // 9)],
        "sorted": [f"{at}?sort={name}&down={down}" for name in ("words", "flesch") for down in ("true", "false")] * 2,
        "differs": [f"{at}?only=differs&score=words&base=b&after={row}" for row in range(0, SAMPLES, SAMPLES // 9)],
        "text that is there": [f"{at}?q=question%20{number}" for number in range(1, 9)],
        "text that is nowhere": [f"{at}?q=zebra{number}" for number in range(8)],
        "one sample, two runs": [f"{at}/q{row:07}?base=b" for row in range(0, SAMPLES, SAMPLES // 9)],
    }
    with served(out) as service:
        service.get(at)
        for what, pages in asked.items():
            line(f"{SAMPLES:,} samples: {what}, p95", ms(p95([*map(service.get, pages)])), "500 ms")
        line("most memory of the service", f"{service.memory():.0f} MB", "500 MB")


def _sample(row: int, text: str, words: float, flesch: float) -> Sample:
    failed = row % 997 == 0
    return Sample(
        probe="attributes",
        item=f"q{row:07}",
        group=f"g{row % 11}",
        prompt=f"Question {row}: what is said of {text[:40]}?",
        answers=() if failed else (Generation(text=text, finish="stop"),),
        how="text",
        scores={} if failed else {"words": words, "flesch": None if row % 13 == 0 else flesch},
        error="the endpoint gave no answer" if failed else None,
    )


def full_profiles(out: Path) -> None:
    for example in (TEACHER, STUDENT):
        folder = out / example.name
        shutil.copytree(example, folder)
        _grown(folder, Run(example))
    address = "/compare?base=teacher&with=student"
    with served(out) as service:
        service.get("/")
        time.sleep(1)  # somebody chooses two runs
        first = service.get(address)
        line(f"compare with {BBQ:,} rows of BBQ, first", ms(first), "1 s")
        line("again, median", ms(statistics.median(service.get(address) for _ in range(15))), "100 ms")


def _grown(folder: Path, run: Run) -> None:
    """Let a run have been asked all of BBQ: its own samples, over and over."""
    known = [*run.samples("bbq")]
    rng = np.random.default_rng(len(folder.name))
    journal = Journal(folder, "bbq")
    drawn = rng.integers(0, len(known), BBQ).tolist()
    groups = [f"category {place % 11}" for place in range(BBQ)]
    journal.append(known[which].model_copy(update=_place(place, groups[place])) for place, which in enumerate(drawn))
    journal.seal()
    profile: Profile = run.profile
    sections = [
        part.model_copy(update={"items": BBQ, "errors": 0}) if part.probe == "bbq" else part
        for part in profile.sections
    ]
    whole = [e for e in profile.estimates if e.probe != "bbq" or e.group is None]
    grouped = [e.model_copy(update={"group": group}) for e in whole if e.probe == "bbq" for group in sorted({*groups})]
    save_profile(folder, profile.model_copy(update={"sections": tuple(sections), "estimates": (*whole, *grouped)}))


def _place(place: int, group: str) -> dict[str, object]:
    """What makes a sample another item: BBQ's are clustered by some 30 templates a category."""
    return {"item": f"q{place:06}", "cluster": f"{group}/{place // 11 % 30}", "group": group}


def scores(out: Path) -> None:
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(WORDS, 60)).capitalize() + "." for _ in range(TEXTS)]
    plain = [*metrics.default().values()]

    def ours() -> float:
        start = time.perf_counter()
        columns = metrics.measure([Text(text) for text in texts], plain)
        orjson.dumps({name: column.tolist() for name, column in columns.items()})
        return time.perf_counter() - start

    body, one = orjson.dumps({"texts": texts}), orjson.dumps({"texts": texts[:1]})
    with served(out) as service:

        def theirs(sent: bytes) -> float:
            start = time.perf_counter()
            service.sent("POST", "/api/score", sent)
            return time.perf_counter() - start

        for _ in range(3):
            ours()
            theirs(body)
        pairs = [(ours(), theirs(body)) for _ in range(9)]
        share = statistics.median(here / there for here, there in pairs)
        line(f"POST /api/score, {TEXTS:,} short answers, of the speed in-process", f"{share:.0%}", "80 %")
        line("one text, p50", f"{1000 * statistics.median(theirs(one) for _ in range(200)):.1f} ms", "5 ms")


def main() -> None:
    print("| what | found | wanted below, or at least |")
    print("|---|---:|---:|")
    wanted = sys.argv[1:] or ["many_runs", "watchers", "scores", "full_profiles", "many_samples"]
    parts = (many_runs, watchers, scores, full_profiles, many_samples)
    for part in (part for part in parts if part.__name__ in wanted):
        with tempfile.TemporaryDirectory() as folder:
            part(Path(folder))
    load = Path("/proc/loadavg").read_text("utf-8").split()[0]
    print(f"\nThe service in a process of its own, asked over HTTP. Load average {load}.")


if __name__ == "__main__":
    main()
