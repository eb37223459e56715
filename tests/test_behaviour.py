"""What the commands print and leave, compared with tests/golden/behaviour/. INHERIT_GOLDEN=write writes that anew."""

from __future__ import annotations

import asyncio
import json
import os
import re
import struct
import sys
import tomllib
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer

from profiler import cli
from profiler.study import report
from profiler.study.records import Findings
from tests.support.command import Done
from tests.support.places import ROOT
from tests.support.wire import Script, serving

GOLDEN = ROOT / "tests" / "golden" / "behaviour"
VARIES = (
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"\b\d{8}-\d{6}-", "STAMP-"),
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00| UTC)?", "TIME"),
    (r'("seconds": ?)[\d.e-]+', r"\1SECONDS"),
    (r"[\d,.]+ (items|tokens)/s", r"RATE \1/s"),
    (r"(tokens written), [\d,]+/s", r"\1, RATE/s"),
    (r" · about [\d,]+ (s|min) left", ""),
    (r"(?m)^.* (\d+)/(\d+|\?)  .*\n", lambda found: found[0] if found[1] == found[2] else ""),
    (r"(?m)^score [\d,]+\n", ""),
    (r"took [\d.,]+ (ms|s|min|h)\b", "took SECONDS"),
    (r"https?://(?!127)[\w.-]+", "https://HOST"),
    (r"(inherit_\* tasks by itself: ).*", r"\1KNOWN"),
    (r'("versions": ?\{)[^}]*\}', r"\1VERSIONS}"),
    (r"\bzlib-[\d.]+", "zlib-VERSION"),
    (r"'sha256-[^']+'", "'sha256-DIGEST'"),
    (r"-?\d+\.\d{6,}(e-?\d+)?", lambda found: f"{float(found[0]):.6g}"),
)
"""What differs from run to run, from machine to machine, and what stands for it."""


def normal(text: str, here: Path) -> str:
    """TEXT without what rightly differs: places, times, speeds, versions, the last digits."""
    text = text.replace(str(here), "HERE").replace(str(ROOT), "REPOSITORY")
    for pattern, instead in VARIES:
        text = re.sub(pattern, instead, text)
    return text


def page(text: str) -> str:
    """A page with its charts as what is drawn, and without the scripts and style that the package ships."""
    text = re.sub(r"<(script|style)\b(.*?)>.*?</\1>", r"<\1\2>…</\1>", text, flags=re.DOTALL)
    return re.sub(r"<svg\b.*?</svg>", lambda found: f"<svg>\n{drawing(found[0])}</svg>", text, flags=re.DOTALL)


def drawing(svg: str) -> str:
    """What a chart shows, a line for each visible thing: where, what, in which colour; however it is nested."""
    root = ElementTree.fromstring(svg)
    about = f"{root.get('width')} × {root.get('height')} {root.get('aria-label', '')}".rstrip()
    return "\n".join([about, *drawn(root, 0.0, 0.0)]) + "\n"


def drawn(node: ElementTree.Element, x: float, y: float) -> list[str]:
    """The lines of NODE and of what is in it, at places of the whole chart."""
    moved = re.match(r"translate\(([^,]+),([^)]+)\)", node.get("transform", ""))
    if moved:
        x, y = x + float(moved[1]), y + float(moved[2])
    kind = node.tag.rpartition("}")[2]
    colour = [node.get(name, "") for name in ("fill", "stroke") if node.get(name, "none") != "none"]
    if kind in {"svg", "g"}:
        return [line for part in node for line in drawn(part, x, y)]
    if not colour or node.get("display") == "none":
        return []
    size = " ".join(node.get(name, "") for name in ("x2", "y2", "width", "height", "r"))
    shape = ("".join(node.itertext()) if kind == "text" else node.get("d")) or size.strip()
    shape = re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.1f}", shape)
    return [" ".join([kind, f"{x:.1f},{y:.1f}", shape, *colour, node.get("aria-label", "")]).rstrip()]


def shown(path: Path) -> str:
    """What a reader is shown of a file."""
    return {".html": page, ".svg": drawing}.get(path.suffix, str)(path.read_text("utf-8"))


class Text(HTMLParser):
    """The words of a page, a line for each stretch of them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden += tag in {"script", "style", "svg"}

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"script", "style", "svg"}

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.lines.append(" ".join(data.split()))


def words_of(path: Path) -> str:
    """The words of a page that is too much to keep whole."""
    reader = Text()
    reader.feed(path.read_text("utf-8"))
    return "\n".join(reader.lines) + "\n"


class Kept:
    """What one user saw and was left with, to be compared with what was kept of it."""

    def __init__(self, folder: str, here: Path, process: asyncio.subprocess.Process) -> None:
        self.folder, self.here, self.process = GOLDEN / folder, here, process
        self.found: dict[str, str] = {}

    async def inherit(self, *typed: str | Path, stdin: str = "") -> Done:
        """The command, in a process that knows of no other test."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([[*map(str, typed)], stdin]).encode() + b"\n")
        return Done(*json.loads(await self.process.stdout.readline()))

    async def ran(self, name: str, *typed: str | Path, stdin: str = "") -> None:
        """What a command prints and how it exits."""
        code, out, err = await self.inherit(*typed, stdin=stdin)
        if typed[0] == "sample":  # which teacher is done first, and how often that is said, is chance
            err = "".join(sorted(set(normal(err, self.here).splitlines(keepends=True))))
        command = " ".join(["inherit", *map(str, typed)])
        self.text(f"{name}.txt", f"$ {command}\n{out}--- stderr\n{err}--- exit {code}\n")

    def text(self, name: str, text: str) -> None:
        self.found[name] = normal(text, self.here)

    def file(self, path: Path, name: str | None = None) -> None:
        """A file that was left."""
        self.text(f"{name or path.name}{'.txt' if path.suffix == '.svg' else ''}", shown(path))

    def compare(self) -> None:
        if os.environ.get("INHERIT_GOLDEN") == "write":
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.folder.iterdir():
                path.unlink()
            for name, text in self.found.items():
                (self.folder / name).write_text(text, "utf-8")
        kept = {path.name: path.read_text("utf-8") for path in self.folder.iterdir()}
        assert self.found.keys() == kept.keys()
        for name, text in self.found.items():
            assert text.splitlines() == kept[name].splitlines(), name


@pytest.fixture
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    """A folder of one's own and a terminal of a known width."""
    pipe = asyncio.subprocess.PIPE
    env = {**os.environ, "COLUMNS": "110", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = (sys.executable, "-m", "tests.support.fresh")
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=env, stdin=pipe, stdout=pipe, limit=2**26
    )
    yield Kept(request.node.name.removeprefix("test_"), tmp_path, process)
    process.stdin.close()
    assert await process.wait() == 0


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def run(here: Path, name: str) -> str:
    """The folder of the run that is called so."""
    folders = (here / "runs").glob("*/profile.json")
    (found,) = [path.parent.name for path in folders if json.loads(path.read_text("utf-8"))["name"] == name]
    return found


ASK = ("profile", "wire", "--suite", "mini", "-n", "8", "--concurrency", "1", "--url")


async def test_profile_of_a_server_that_echoes(kept: Kept) -> None:
    async with serving() as wire:
        await kept.ran("profile", *ASK, wire.url)
    folder = kept.here / "runs" / run(kept.here, "wire")
    kept.file(folder / "profile.json")
    kept.file(folder / "report.html")
    for probe in ("attributes", "bbq", "preferences", "toxicity"):
        await kept.ran(f"samples_{probe}", "show", "latest", probe, "-n", "2")
        await kept.ran(f"export_{probe}", "export", "latest", probe, "--save", f"{probe}.csv")
        kept.file(kept.here / f"{probe}.csv")
    await kept.ran("export_jsonl", "export", "latest", "stereoset", "--save", "stereoset.jsonl")
    kept.file(kept.here / "stereoset.jsonl")
    await kept.ran("samples_json", "show", "latest", "bbq", "-n", "1", "--json")
    for form in ("md", "csv", "latex"):
        await kept.ran(f"show_{form}", "show", "latest", "-f", form)
    await kept.ran("runs", "ls")
    await kept.ran("runs_json", "ls", "--json")
    kept.compare()


async def test_profile_of_a_server_that_only_chats(kept: Kept) -> None:
    script = Script(completions=False, echo=False)
    async with serving(script) as wire:
        await kept.ran("doctor", "doctor", "wire", "--chat", "--url", wire.url)
        await kept.ran("profile", *ASK, wire.url, "--chat", "--name", "chats")
    folder = kept.here / "runs" / run(kept.here, "chats")
    kept.file(folder / "profile.json")
    kept.text("report.txt", words_of(folder / "report.html"))
    kept.compare()


async def test_compare(kept: Kept) -> None:
    for weights in ("one", "two", "three"):
        async with serving(Script(weights=weights)) as wire:
            words = (*ASK, wire.url, "-p", "attributes", "-p", "crows_pairs", "--name", weights)
            await kept.ran(f"profile_{weights}", *words)
    one, two, three = (run(kept.here, name) for name in ("one", "two", "three"))
    for form in ("table", "md", "csv", "latex", "json"):
        await kept.ran(form, "compare", one, two, "-f", form)
        await kept.ran(f"{form}_of_three", "compare", one, two, three, "-f", form)
    for name in ("two.html", "two.svg", "two.md", "two.tex"):
        await kept.ran(f"save_{name}", "compare", one, two, "--save", name)
        kept.file(kept.here / name)
    for name in ("three.html", "three.svg"):
        await kept.ran(f"save_{name}", "compare", one, two, three, "--save", name)
    kept.file(kept.here / "three.svg")
    kept.text("three.html.txt", words_of(kept.here / "three.html"))
    await kept.ran("save_two.png", "compare", one, two, "--save", "two.png")
    width, height = struct.unpack(">II", (kept.here / "two.png").read_bytes()[16:24])
    kept.text("two.png.txt", f"{width} × {height}\n")
    await kept.ran("fail_on_worse", "compare", one, two, "--fail-on", "worse", "-f", "csv")
    await kept.ran("fail_on_significant", "compare", one, two, "--fail-on", "significant", "-f", "csv")
    await kept.ran("all", "compare", one, two, "--all")
    await kept.ran("primary", "compare", one, two, "--primary", "ari")
    await kept.ran("save_primary.html", "compare", one, two, "--primary", "ari", "--save", "primary.html")
    kept.text("primary.html.txt", words_of(kept.here / "primary.html"))
    kept.compare()


async def test_compare_of_every_probe(kept: Kept) -> None:
    for weights in ("one", "two"):
        async with serving(Script(weights=weights)) as wire:
            await kept.inherit(*ASK, wire.url, "--name", weights)
    await kept.ran("csv", "compare", run(kept.here, "one"), run(kept.here, "two"), "-f", "csv")
    kept.compare()


async def test_judge_and_agree(kept: Kept) -> None:
    async with serving() as one, serving(Script(weights="two")) as two:
        for name, wire in (("one", one), ("two", two)):
            asked = (
                "judge",
                "wire",
                "--pairs",
                "mini",
                "-n",
                "10",
                "--concurrency",
                "1",
                "--url",
                wire.url,
                "--name",
                name,
            )
            await kept.ran(f"judge_{name}", *asked, "--save", f"{name}.jsonl")
            kept.file(kept.here / f"{name}.jsonl")
        await kept.ran("judge_json", *asked, "--prompt", "reasons", "--ties", "--save", "reasons.jsonl", "--json")
        kept.file(kept.here / "reasons.jsonl")
    agree = ("agree", "one.jsonl", "two.jsonl", "--resamples", "100")
    for form in ("table", "md", "csv", "latex", "json"):
        await kept.ran(f"agree_{form}", *agree, "-f", form)
    await kept.ran("agree_student", *agree, "--student", "two=one,one", "--same-family", "two=one")
    for name in ("agree.html", "agree.svg"):
        await kept.ran(f"save_{name}", *agree, "--save", name)
        kept.file(kept.here / name)
    kept.compare()


async def test_agree_of_others_files(kept: Kept) -> None:
    gold = [{"idx": i, "annotator1": i % 3, "annotator2": (i + i // 4) % 3, "annotator3": i % 3} for i in range(12)]
    lines(kept.here / "gold.jsonl", *gold)
    lines(kept.here / "pandalm.jsonl", *({"idx": i, "result": str((i + i // 5) % 3)} for i in range(12)))
    own = [{"id": i, "gold": 1 + i % 2, "verdict": 1 + i // 2 % 2, "verdict_swapped": 1 + i // 3 % 2} for i in range(9)]
    lines(kept.here / "own.jsonl", *own)
    await kept.ran("pandalm", "agree", "gold.jsonl", "pandalm.jsonl", "--resamples", "100")
    await kept.ran("own", "agree", "own.jsonl", "--resamples", "100")
    await kept.ran("own_json", "agree", "own.jsonl", "--resamples", "20", "--swapped", "places", "--json")
    kept.compare()


async def test_sample_and_select(kept: Kept) -> None:
    prompts = lines(kept.here / "prompts.jsonl", *({"prompt": f"question {i} end"} for i in range(8)))
    async with serving() as one, serving(Script(weights="two")) as two:
        for name, wire in (("one", one), ("two", two)):
            (kept.here / f"{name}.toml").write_text(f'model = "wire"\nurl = "{wire.url}"\nname = "{name}"\n', "utf-8")
        drawn = ("sample", "one.toml", "two.toml", "-o", "pool", "--prompts", prompts, "-k", "4", "--price", "1/2")
        await kept.ran("sample", *drawn, "--max-tokens", "24")
        await kept.ran("sample_json", *drawn, "--max-tokens", "24", "--json")
    pool = json.loads((kept.here / "pool" / "pool.json").read_text("utf-8"))
    pool["fingerprints"] = dict(sorted(pool["fingerprints"].items()))
    kept.text("pool.json", json.dumps(pool, indent=1, ensure_ascii=False) + "\n")
    wanted = ("select", "pool", "-O", "max:words", "--skip-filter", "language")
    await kept.ran("select", *wanted, "-o", "long")
    for path in sorted((kept.here / "long").rglob("[!.]*.*")):
        kept.file(path, f"long_{path.name}")
    goals = (*wanted, "-O", "0.5*near:ttr=0.8", "--hold", "words=0.5", "-r", "repetition<=0.5", "-m", "ttr")
    await kept.ran("select_json", *goals, "-o", "held", "--form", "completion", "--top", "2", "--json")
    kept.file(kept.here / "held" / "chosen.jsonl", "held_chosen.jsonl")
    kept.compare()


async def test_score(kept: Kept) -> None:
    texts = [
        "The cat sat on the mat. It purred.",
        "",
        "One two three four five six seven eight nine ten.",
        "naïve café",
    ]
    rows = lines(kept.here / "texts.jsonl", *({"id": i, "text": text} for i, text in enumerate(texts)))
    await kept.ran("score", "score", rows, "--save", "scores.jsonl")
    kept.file(kept.here / "scores.jsonl")
    await kept.ran("score_json", "score", rows, "-m", "mtld", "-m", "words", "--json")
    await kept.ran("score_lang", "score", rows, "--lang", "de")
    await kept.ran("score_stdin", "score", "-", "-m", "words", stdin="one two three\nfour\n")
    kept.compare()


async def test_rescore(kept: Kept) -> None:
    async with serving() as wire:
        await kept.inherit(*ASK, wire.url, "-p", "bbq", "-p", "attributes", "-p", "toxicity")
    for probe in ("bbq", "attributes", "toxicity"):
        await kept.inherit("export", "latest", probe, "--save", "answers.jsonl")
        texts: dict[str, list[str]] = {}
        for row in map(json.loads, (kept.here / "answers.jsonl").read_text("utf-8").splitlines()):
            texts.setdefault(row["item"], []).append(row["text"])
        told = [
            {"choice": i % 3} if probe == "bbq" else {"texts": found}
            for i, found in enumerate(texts[item] for item in sorted(texts))
        ]
        lines(kept.here / "told.jsonl", *({"item": item} | row for item, row in zip(sorted(texts), told, strict=True)))
        await kept.ran(probe, "rescore", probe, "told.jsonl", "--suite", "mini")
        await kept.ran(f"{probe}_json", "rescore", probe, "told.jsonl", "--suite", "mini", "--json")
    lines(kept.here / "bad.jsonl", {"item": "no such item", "choice": 1})
    await kept.ran("bad", "rescore", "bbq", "bad.jsonl", "--suite", "mini")
    kept.compare()


async def test_ls(kept: Kept) -> None:
    for what in ("metrics", "probes", "scorers"):
        await kept.ran(what, "ls", what)
        await kept.ran(f"{what}_json", "ls", what, "--json")
    kept.compare()


async def test_data(kept: Kept) -> None:
    await kept.ran("ls", "data", "ls", "--data", kept.here)
    await kept.ran("ls_json", "data", "ls", "--data", kept.here, "--json")
    await kept.ran("check", "data", "check", "--data", kept.here)
    await kept.ran("show", "data", "show", "bbq")
    await kept.ran("show_mini", "data", "show", "mini/bbq")
    kept.compare()


async def test_study(kept: Kept) -> None:
    lines(kept.here / "prompts.jsonl", *({"prompt": f"teach question {i} end"} for i in range(16)))
    lines(kept.here / "asked.jsonl", *({"prompt": f"ask question {i} end"} for i in range(8)))
    study = {
        "name": "small",
        "students": ["demo"],
        "teachers": [
            {"model": "wire", "url": "http://127.0.0.1:9/v1", "name": "one", "price": [1.0, 2.0]},
            {"model": "wire", "url": "http://127.0.0.1:9/v1", "name": "two"},
        ],
        "single": ["one"],
        "prompts": "prompts.jsonl",
        "k": 4,
        "sampling": {"max_tokens": 24, "temperature": 1.0},
        "objectives": {"length": {"goals": ["max:words"]}, "short": {"goals": ["min:words"]}},
        "arms": ["base", "random", "single", "multi"],
        "seeds": [0, 1],
        "skip_filters": ["all"],
        "recipe": {"method": "full", "batch": 8, "length": 128, "precision": "float32"},
        "profile": [
            {"probe": "attributes", "prompts": "asked.jsonl", "sampling": {"temperature": 1.0, "max_tokens": 12}},
            {"probe": "ability", "suite": "mini", "limit": 6},
        ],
        "guard": {"ability.acc_mean": 1.0},
    }
    (kept.here / "study.json").write_text(json.dumps(study), "utf-8")
    await kept.ran("dry_run", "study", "study.json", "--dry-run")
    await kept.ran("dry_run_json", "study", "study.json", "--dry-run", "--json")
    await kept.ran("show", "study", "study.json", "--show")
    await kept.ran("recipe", "train", "--show", "--set", "student=demo", "--set", "data=d.jsonl", "--set", "out=o")
    kept.compare()


def test_the_example_studys_report_is_what_its_findings_make(tmp_path: Path) -> None:
    committed = ROOT / "examples" / "steer_length" / "results"
    report.save(Findings.model_validate_json((committed / "report.json").read_bytes()), tmp_path)
    made = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.*") if path.is_file()]
    assert len(made) == 8
    for path in made:
        assert shown(tmp_path / path) == shown(committed / path), path


async def test_the_example_judges_agree_as_committed(kept: Kept) -> None:
    committed = ROOT / "examples" / "judge_study"
    judges = [committed / f"{name}.jsonl" for name in ("demo", "terse", "longer")]
    await kept.ran("table", "agree", *judges, "--student", "terse=demo,demo", "--save", "matrix.svg")
    assert shown(kept.here / "matrix.svg") == shown(committed / "matrix.svg")
    await kept.ran("table", "agree", *judges, "--student", "terse=demo,demo")
    kept.compare()


async def test_help(kept: Kept) -> None:
    await kept.ran("inherit", "--help")
    group = typer.main.get_command(cli.app)
    for name in group.commands:
        await kept.ran(name, name, "--help")
    await kept.ran("wrong_command", "profil")
    kept.compare()


def test_a_wheel_has_five_packages_and_one_pth() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["only-include"][:5] == ["inherit", "profiler", "lm_eval_tasks", "selection", "training"]
    assert list(wheel["force-include"].values()) == ["inheritance_profile.pth"]
    finder = ROOT / "lm_eval_tasks" / "inheritance_profile.pth"
    assert finder.read_text("utf-8") == "import inheritance_profile_finder; inheritance_profile_finder.main()\n"
    assert all((ROOT / package / "__init__.py").is_file() for package in wheel["only-include"][:5])
