"""`inherit profile` against `helm-run`: the same BBQ items, one vLLM server, as many requests in flight.

    INHERIT_VLLM_PYTHON=…/bin/python INHERIT_HELM_PYTHON=…/bin/python python -m bench.helm

HELM asks twice: by its own scenario of multiple-choice questions and its own client of completions, each option
weighed after the question (`multiple_choice_separate_original`), and by our run spec. A proxy before the server counts
requests. Every way starts with empty caches.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from bench.doors import HELM, MODEL, QUIET, ROOT, interpreter
from profiler import probes
from profiler.cli.serve import started
from profiler.endpoints import Choose
from profiler.endpoints.local import demo
from profiler.endpoints.vllm import server as serving
from profiler.probes import ProbeOptions

ITEMS = 60
FLIGHT = 8
DEPLOYMENT = """model_deployments:
  - name: own/{model}
    model_name: own/{model}
    tokenizer_name: own/{model}
    max_sequence_length: 1024
    client_spec:
      class_name: helm.clients.openai_client.OpenAILegacyCompletionsClient
      args: {{base_url: "{url}", openai_model_name: {model}, api_key: EMPTY}}
"""
TOKENIZER = """tokenizer_configs:
  - name: own/{model}
    tokenizer_spec:
      class_name: helm.tokenizers.huggingface_tokenizer.HuggingFaceTokenizer
      args: {{pretrained_model_name_or_path: {folder}}}
    end_of_text_token: <eos>
    prefix_token: <bos>
"""


@dataclass
class Proxy:
    """Hands requests on to a server, and counts them."""

    server: str
    url: str = ""
    arrived: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)

    async def pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        posted = request.method == "POST"
        if posted:
            self.arrived.append(time.monotonic())
        session: aiohttp.ClientSession = request.app["session"]
        told = {"Content-Type": "application/json"}
        async with session.request(request.method, self.server + request.path, data=body, headers=told) as reply:
            content = await reply.read()
        if posted:
            self.answered.append(time.monotonic())
        return web.Response(body=content, status=reply.status, content_type="application/json")


@asynccontextmanager
async def counted(server: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(server.removesuffix("/v1"))
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", proxy.pass_on)
    app["session"] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    proxy.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield proxy
    finally:
        await app["session"].close()
        await runner.cleanup()


@dataclass(frozen=True)
class Timing:
    """What one way took."""

    requests: int
    asking: float
    """Seconds from the first request to the last answer."""
    process: float


async def timed(server: str, command: list[str], place: Path) -> Timing:
    """One way to ask, in a folder of its own; {url} in the command is the proxy's address."""
    place.mkdir(exist_ok=True)
    async with counted(server) as proxy:
        (place / "prod_env").mkdir(exist_ok=True)
        deployment = DEPLOYMENT.format(model=MODEL, url=proxy.url)
        (place / "prod_env" / "model_deployments.yaml").write_text(deployment, "utf-8")
        environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "INHERIT_URL": proxy.url, **QUIET}
        begun = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *(word.replace("{url}", proxy.url) for word in command),
            cwd=place,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        if process.returncode:
            sys.exit(f"{command[0]} ended with {process.returncode}:\n{said.decode()[-3000:]}")
        spent = time.monotonic() - begun
        return Timing(len(proxy.arrived), proxy.answered[-1] - proxy.arrived[0], spent)


def rows() -> list[dict[str, object]]:
    """The items that our probe asks, in HELM's form of a multiple-choice question."""
    probe = probes.get("bbq").build(ProbeOptions(limit=ITEMS))
    found = []
    for item in probe.items:
        request = probe.ask(item)
        assert isinstance(request, Choose)
        options = [
            {"output": {"text": text.strip()}, "tags": ["correct"] * (not at)}
            for at, text in enumerate(request.choices)
        ]
        found.append({"input": {"text": request.prompt}, "references": options, "split": "test", "id": item.id})
    return found


async def ways(server: str, home: Path) -> dict[str, Timing]:
    (home / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()), "utf-8")
    inherit = [str(Path(sys.executable).with_name("inherit")), "profile", MODEL, "--url", "{url}", "-p", "bbq"]
    inherit += ["-n", str(ITEMS), "--concurrency", str(FLIGHT)]
    helm = [str(Path(interpreter(HELM)).with_name("helm-run")), "-m", "100000", "--suite", "bench", "-n", str(FLIGHT)]
    own = f"custom_mcqa:path={home}/questions.jsonl,method=multiple_choice_separate_original,model=own/{MODEL}"
    (home / "own" / "prod_env").mkdir(parents=True)
    tokenizer = TOKENIZER.format(model=MODEL, folder=demo.checkpoint())
    (home / "own" / "prod_env" / "tokenizer_configs.yaml").write_text(tokenizer, "utf-8")
    await timed(server, inherit, home / "warm")  # a server's first requests are slower
    return {
        "inherit profile": await timed(server, inherit, home / "inherit"),
        "helm-run, HELM's own scenario and client": await timed(server, [*helm, "-r", own], home / "own"),
        "helm-run, our run spec": await timed(
            server, [*helm, "-r", f"inherit_bbq:limit={ITEMS},model=inherit/{MODEL}"], home / "ours"
        ),
        "inherit profile, again": await timed(server, inherit, home / "again"),
    }


def report(found: dict[str, Timing]) -> None:
    print(
        f"{ITEMS} BBQ items of 3 options, Gemma 3 270M in bfloat16 on vLLM's CPU build, {FLIGHT} requests in flight; "
        f"load average {os.getloadavg()[0]:.1f}, server included.\n"
    )
    print("| | requests | asking, s | items/s | whole process, s |\n|---|---:|---:|---:|---:|")
    for name, timing in found.items():
        rate = ITEMS / timing.asking
        print(f"| {name} | {timing.requests} | {timing.asking:.1f} | {rate:.1f} | {timing.process:.1f} |")
    ours = [timing for name, timing in found.items() if name.startswith("inherit")]
    peers = [timing for name, timing in found.items() if name.startswith("helm")]
    asking = min(peer.asking for peer in peers) / max(timing.asking for timing in ours)
    whole = min(peer.process for peer in peers) / max(timing.process for timing in ours)
    print(
        f"\nThe slower of our two runs against the quicker of HELM's: asking {asking:.2f} times as fast, the whole "
        f"process {whole:.2f} times. What is asked to find out what the server can do counts."
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        with started(serving.ServerPlan(serving.source(MODEL), MODEL), log=home / "vllm.log") as server:
            found = asyncio.run(ways(server.url, home))
    report(found)


if __name__ == "__main__":
    main()
