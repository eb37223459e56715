"""A model in this process answers calls: a path, a hub id or the demo, batched by length in one thread of its own."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.markup import escape

from profiler.endpoints import adapter
from profiler.endpoints.engine import Call, EmbedCall, SampleCall, ScoreCall, Take, Value
from profiler.endpoints.local import demo
from profiler.errors import BadData, EndpointError, MissingExtra, Refused, WrongUse
from profiler.http import model_at
from profiler.records import Capabilities, Endpoint, Fingerprint

if TYPE_CHECKING:
    from profiler.endpoints.local.checkpoint import Checkpoint, Precision
    from profiler.endpoints.local.sampling import Sampler
    from profiler.endpoints.local.scoring import LikelihoodScorer

WINDOW = 256
"""Calls held at a time: enough to batch by length, few enough to hold."""

LINGER = 0.005
"""Seconds to wait for the calls that come right after the first."""

FILES = ["*.safetensors", "*.json", "*.model", "*.txt", "*.jinja"]
"""What is fetched of a hub repository: weights that can't run code, settings, tokenizer."""

NO_TEMPLATE = "the checkpoint has no chat template: ask it as a plain completion"

NO_MEMORY = "this architecture keeps no cache that texts can be continued from here: serve it, and give its --url"

Keyed = tuple[int, Call]
Part = tuple[int, int, Value | EndpointError]
T = TypeVar("T")


@dataclass(frozen=True)
class LoadedModel:
    """A checkpoint, ready to work."""

    checkpoint: Checkpoint
    scorer: LikelihoodScorer
    drawer: Sampler


class LocalEngine:
    """Runs a checkpoint through transformers; the first call loads it."""

    def __init__(self, endpoint: Endpoint, precision: Precision = "auto") -> None:
        self.model = endpoint.model
        self.adapter = Path(endpoint.adapter) if endpoint.adapter else None
        self.precision = precision
        # One thread for all work: torch makes a pool of threads for every thread that calls it.
        self.worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-model")
        self.loaded: LoadedModel | None = None

    async def capabilities(self) -> Capabilities:
        """Everything, but for a chat template and a begin-of-text token that this checkpoint may lack."""
        loaded = await self.run(self.load)
        checkpoint, writes = loaded.checkpoint, loaded.drawer.able
        templated = checkpoint.tokenizer.chat_template is not None
        notes = {"chat": NO_TEMPLATE} if not templated else {}
        if not writes:
            notes |= {"completions": NO_MEMORY, "chat": NO_MEMORY}
        return Capabilities(
            completions=writes,
            chat=templated and writes,
            echo=True,
            hidden_states=True,
            n=True,
            prompt_lists=True,
            top_logprobs=checkpoint.vocabulary,
            seed=True,
            bos=checkpoint.bos is not None,
            notes=notes,
        )

    async def fingerprint(self) -> Fingerprint:
        """The digest of everything in the checkpoint, and in its adapter, that its numbers depend on."""
        whole = await self.run(lambda: digest(find(self.model)))
        if self.adapter:
            whole = hashlib.sha256(f"{whole} {adapter.digest(self.adapter)}".encode()).hexdigest()
        return Fingerprint(id=whole[:16], served=self.model, canary=whole)

    async def perform(self, calls: AsyncIterable[Keyed], take: Take) -> None:
        """Answer windows of calls; parts come as their batches end, and leaving early stops the worker's next step."""
        loop = asyncio.get_running_loop()

        def work(window: Sequence[Keyed], stop: threading.Event) -> None:
            for part in self.answer(window, stop.is_set):
                loop.call_soon_threadsafe(take, *part)

        async with aclosing(windows(calls, WINDOW)) as ready:
            async for window in ready:
                working = loop.run_in_executor(self.worker, work, window, stop := threading.Event())
                try:
                    await asyncio.shield(working)
                finally:
                    stop.set()
                    await asyncio.wait([working])

    async def close(self) -> None:
        """Let the model go."""
        self.loaded = None
        self.worker.shutdown(wait=True, cancel_futures=True)

    async def run(self, work: Callable[[], T]) -> T:
        """Do it in the worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self.worker, work)

    def load(self) -> LoadedModel:
        """The model, loaded once; in the worker thread."""
        if self.loaded is None:
            folder = find(self.model)
            with Console(file=sys.stderr).status(f"Loading {escape(self.model)}"):
                self.loaded = self.read(folder)
        return self.loaded

    def read(self, folder: Path) -> LoadedModel:
        """The model in a folder, tried out once."""
        try:
            with dozing():
                from profiler.endpoints.local import checkpoint, sampling, scoring
        except ModuleNotFoundError:
            raise MissingExtra("local", "running a model in this process") from None
        ready = checkpoint.load(folder, self.precision, self.adapter)
        return LoadedModel(ready, scoring.LikelihoodScorer(ready), sampling.Sampler(ready))

    def answer(self, window: Sequence[Keyed], stopped: Callable[[], bool]) -> Iterator[Part]:
        """The parts of a window: first what is scored, then what is drawn; in the worker thread."""
        loaded = self.load()
        from profiler.endpoints.local.hidden import EmbedJob, embedded
        from profiler.endpoints.local.sampling import SampleJob
        from profiler.endpoints.local.scoring import lines

        checkpoint, groups, jobs, texts = loaded.checkpoint, [], list[SampleJob](), list[EmbedJob]()
        for key, call in window:
            try:
                if isinstance(call, ScoreCall):
                    group = lines(checkpoint, key, call)
                    checkpoint.admit(max(len(line.tokens) for line in group))
                    groups.append(group)
                    continue
                if isinstance(call, EmbedCall):
                    texts += [EmbedJob((key, index), whole(checkpoint, call.texts[index])) for index in call.indices]
                    continue
                if not loaded.drawer.able:
                    raise Refused(NO_MEMORY)
                prompt = spoken(checkpoint, call)
                checkpoint.admit(len(prompt), call.sampling.max_tokens)
                jobs += [
                    SampleJob((key, index), prompt, call.sampling, call.top, first=index == call.indices[0])
                    for index in call.indices
                ]
            except EndpointError as error:
                yield from ((key, index, error) for index in call.indices)
        for batch in loaded.scorer.score(groups):
            yield from ((*place, likelihood) for place, likelihood in batch)
            if stopped():
                return
        for embeddings in embedded(checkpoint, texts):
            yield from ((*place, state) for place, state in embeddings)
            if stopped():
                return
        for place, generation in loaded.drawer.draw(jobs, stopped):
            yield (*place, generation)


def whole(checkpoint: Checkpoint, text: str) -> tuple[int, ...]:
    """The tokens of a text that stands alone."""
    tokens = checkpoint.encode(text) or checkpoint.start
    if not tokens:
        raise Refused("an empty text, and this model has no begin-of-text token that stands for it")
    checkpoint.admit(len(tokens))
    return tokens


def spoken(checkpoint: Checkpoint, call: SampleCall) -> tuple[int, ...]:
    """The tokens that the model is given to continue."""
    if not call.chat:
        tokens = checkpoint.encode(call.prompt)
        if tokens:
            return tokens
        if not checkpoint.start:
            raise Refused("an empty prompt, and this model has no begin-of-text token to start from")
        return checkpoint.start
    if checkpoint.tokenizer.chat_template is None:
        raise Refused(NO_TEMPLATE)
    from jinja2 import TemplateError

    said = [{"role": "user", "content": call.prompt}]
    if call.system:
        said.insert(0, {"role": "system", "content": call.system})
    try:
        text = checkpoint.tokenizer.apply_chat_template(said, add_generation_prompt=True, tokenize=False)
    except TemplateError as error:
        raise Refused(f"the checkpoint's chat template refused: {error}") from error
    # The template writes the begin-of-text token itself.
    return checkpoint.bare(text)


async def windows(calls: AsyncIterable[Keyed], size: int) -> AsyncGenerator[list[Keyed]]:
    """The calls that are ready, up to `size` at a time, never waiting for one while there are others to work on."""
    ready: asyncio.Queue[Keyed | Exception | None] = asyncio.Queue(maxsize=size)

    async def pull() -> None:
        end = None
        try:
            async for call in calls:
                await ready.put(call)
        except Exception as error:
            end = error  # raised to whoever reads the windows
        await ready.put(end)

    pulling = asyncio.create_task(pull())
    try:
        while isinstance(entry := await ready.get(), tuple):
            seen = -1
            while seen < ready.qsize() < size - 1:
                seen = ready.qsize()
                await asyncio.sleep(LINGER)
            window = [entry]
            while len(window) < size and not ready.empty():
                if not isinstance(entry := ready.get_nowait(), tuple):
                    await ready.put(entry)  # read again once this window is done
                    break
                window.append(entry)
            yield window
        if entry:
            raise entry
    finally:
        pulling.cancel()


@contextmanager
def dozing() -> Iterator[None]:
    """Import torch in this block, and its threads don't spin for long while they wait, unless the user has a say.

    They would starve others on a busy machine: seven times slower with two busy cores. The variable is read then only.
    """
    if os.environ.keys() & {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}:
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = "1000"
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def find(model: str) -> Path:
    """The folder of a checkpoint: the demo's, a folder of the user's, or one from the hub."""
    return at_hand(model) or fetched(model)


def at_hand(model: str) -> Path | None:
    """The folder of the demo or of a checkpoint of the user's; None for what is named as the hub does."""
    if model == "demo":
        return demo.checkpoint()
    name, url = model_at(model)
    if url:
        raise WrongUse(f"{model!r} is a model and an address; here they stand apart: {name} --url {url}")
    try:
        folder = Path(model).expanduser()
        there = folder.is_dir()
    except (OSError, RuntimeError) as error:  # a name that is too long, or the folder of a user that there isn't
        raise WrongUse(f"{model[:80]!r} can't be a checkpoint's folder: {getattr(error, 'strerror', error)}") from None
    if there:
        if not (folder / "config.json").is_file():
            raise BadData(f"{model!r} is not a checkpoint: a folder with config.json and *.safetensors was expected")
        return folder
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise WrongUse(f"no folder {model!r}; expected a checkpoint's folder, a hub id such as 'org/name', or 'demo'")
    return None


def here(model: str) -> Path | None:
    """The folder of a checkpoint that is on this machine; None for one that would be downloaded."""
    try:
        from huggingface_hub import snapshot_download

        return at_hand(model) or Path(snapshot_download(model, allow_patterns=FILES, local_files_only=True))
    except (ModuleNotFoundError, OSError, ValueError):  # the hub's errors are of these
        return None


def fetched(name: str) -> Path:
    """The local copy of a hub repository, downloaded on first use."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError
    except ModuleNotFoundError:
        raise MissingExtra("local", "running a model in this process") from None
    try:
        return Path(snapshot_download(name, allow_patterns=FILES, ignore_patterns=["*/*"]))
    except HFValidationError:
        raise WrongUse(f"{name!r} is neither a folder, nor a hub id such as 'org/name', nor 'demo'") from None
    except GatedRepoError:
        raise Refused(f"{name!r} is gated: accept its terms on the hub, then `hf auth login`") from None
    except RepositoryNotFoundError:
        raise WrongUse(f"no folder and no hub repository {name!r}; a private one needs `hf auth login`") from None
    except (OSError, HfHubHTTPError) as error:
        raise EndpointError(f"{name!r} is no folder, and the hub can't be reached to look for it there") from error


def digest(folder: Path) -> str:
    """SHA-256 over the names and contents of the weights, the settings and the tokenizer."""
    whole = hashlib.sha256()
    for path in sorted({path for pattern in FILES for path in folder.glob(pattern)}):
        with path.open("rb") as file:
            whole.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()
