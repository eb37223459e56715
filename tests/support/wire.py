"""A fake OpenAI-compatible server on a real socket: it answers by hash, misbehaves as told, and counts what it sent."""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from aiohttp import web

WORDS = """the a river of stone light and under green house small bird runs over quiet water then sleeps by
old trees""".split()  # noqa: SIM905
PIECE = re.compile(r"\s?\w+|\s?[^\w\s]|\s")
BOS = "<bos>"


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong on requests whose body holds `match`."""

    kind: str
    """A status such as 500, or hang, truncate, garbage, reset, null, empty, short, surrogate, drip (a byte now and
    then, for ever), endless (as many as are taken), bomb (a few hundred KB of gzip that unpack to 320 MB)."""
    match: str = ""
    times: int | None = None
    """Only the first so many; None is forever."""
    after: int = 0
    """Let so many pass first."""
    retry_after: float | str | None = None
    says: str = "the wire is told to fail"


@dataclass(frozen=True)
class Script:
    """What the server is and can do."""

    model: str = "wire"
    weights: str = "one"
    """Other weights answer otherwise under the same name."""
    latency: float = 0.0
    key: str | None = None
    """Require this key."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Require these headers, and no Authorization where they are required."""
    completions: bool = True
    chat: bool = True
    echo: bool = True
    n: bool = True
    most: int | None = None
    """The most samples that a request may ask for; more is a 400, as of llama.cpp's server."""
    greedy: bool = False
    """Write the likeliest text whatever the temperature and the seed, as transformers' server does."""
    endless: bool = False
    """Take max_tokens=0 for no limit, as llama-cpp-python does: only a stop string ends it."""
    shows_bos: bool = True
    """Show begin-of-text among the tokens of an echoed text; else it is only counted."""
    native: bool = False
    """Answer completions only below /v1, and in a form of its own elsewhere."""
    checks: bool = True
    """Refuse names that are not the model's."""
    logprob: float | None = None
    """Every log-probability is this one."""
    thinks: str = ""
    """What chat writes of a thought before it answers: `apart` (reasoning_content), `tagged`, `closed` (its template
    has opened the tag), or `unseen` (billed only). A limit below 40 tokens ends within it."""
    refuses: tuple[str, ...] = ()
    """Names in a request that are a 400, as of some hosted models; a temperature of 1 is taken."""
    min_p: float = 0.0
    """Its own cut of unlikely tokens, where a request says none: of 1 only the likeliest is left, and it is known."""
    bills_one: bool = False
    """Bill one of the samples in a request, as llama.cpp does."""
    usage: object = ...
    """The bill says that so many tokens were written."""
    copies: bool = False
    """With a seed, return n times the same sample, as old servers did."""
    lists: bool = True
    top: int = 20
    """The most alternatives that may be asked for; more is a 400; 0 ignores the wish."""
    bare: bool = True
    """Weigh a text with logprobs=0, which asks for no alternatives; else that brings nothing."""
    seed: bool = True
    rarer: str = "heeded"
    """What becomes of top_k and repetition_penalty: heeded, ignored, or refused."""
    bos: bool = True
    zero: bool = True
    """Accept max_tokens=0."""
    bills: bool = False
    """Bill a token where none was to be drawn, as vLLM does."""
    adapters: bool = False
    """Load adapters while it runs, as vLLM does where it may."""
    tokens: str = "plain"
    """How tokens are written: plain, stripped (leading space lost), ids, broken (characters past ASCII lost)."""
    wobble: float = 0.0
    """Noise on every log-probability, as bf16 under load."""
    rate: int | None = None
    """Requests allowed at once; more get a 429."""
    says: dict[str, str] = field(default_factory=dict)
    """Part of a prompt → the text to answer with."""
    raw: dict[str, bytes] = field(default_factory=dict)
    """Part of a request → the very bytes to answer with, whatever they are."""
    faults: tuple[Fault, ...] = ()


@dataclass
class Wire:
    """The server's state, for a test to look at."""

    script: Script
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """Every request's body, in order of arrival."""
    arrived: list[float] = field(default_factory=list)
    """When each did, on the monotonic clock."""
    sent: list[tuple[str, float]] = field(default_factory=list)
    """Each answered unit (a sample of a prompt, a weighed text) and when its last byte was handed over."""
    adapters: dict[str, str] = field(default_factory=dict)
    """Those that are loaded, each by its name; they answer otherwise than the model."""
    faults: list[Fault] = field(default_factory=list)
    """Faults that set in later than those of the script."""
    full: int = 0
    """Nothing is answered before so many requests were there at once."""
    busy: int = 0
    peak: int = 0
    seen: dict[int, int] = field(default_factory=dict)
    draws: int = 0

    def units(self, match: str = "") -> list[str]:
        """Units answered so far whose prompt holds `match`."""
        return [unit for unit, _ in self.sent if match in unit]

    def asked(self, match: str = "") -> list[dict[str, Any]]:
        """Bodies that arrived and hold `match`."""
        return [body for body in self.bodies if match in json.dumps(body, ensure_ascii=False)]

    def fault(self, body: str) -> Fault | None:
        for place, fault in enumerate([*self.script.faults, *self.faults]):
            if fault.match not in body:
                continue
            count = self.seen[place] = self.seen.get(place, 0) + 1
            if count > fault.after and (fault.times is None or count <= fault.after + fault.times):
                return fault
        return None


def share(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    digest = blake2b("\0".join(map(str, parts)).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def written(script: Script, prompt: str, seed: int, limit: int) -> tuple[str, str]:
    """The text that these weights write after a prompt, and why it ended."""
    for part, text in script.says.items():
        if part in prompt:
            return text, "stop"
    if "letter" in prompt:
        return " " + "ABC"[int(share(script.weights, prompt) * 3)], "stop"
    wanted = 6 + int(share(script.weights, prompt, seed, "length") * 12)
    words = (WORDS[int(share(script.weights, prompt, seed, i) * len(WORDS))] for i in range(min(wanted, limit)))
    return "".join(f" {word}" for word in words), "length" if wanted > limit else "stop"


def weighed(script: Script, text: str) -> list[tuple[str, float | None]]:
    """A text's tokens with log-probabilities that depend on all that stands before them."""
    base = blake2b(script.weights.encode(), digest_size=8)
    rows: list[tuple[str, float | None]] = [(BOS, None)] if script.bos and not text.startswith(BOS) else []
    for piece in ([BOS] if text.startswith(BOS) else []) + PIECE.findall(text.removeprefix(BOS)):
        base.update(piece.encode("utf-8", "replace"))
        chance = int.from_bytes(base.copy().digest(), "big") / 2**64
        poor = 0.0 if script.bos or text.startswith(BOS) else 4.0
        noise = script.wobble * (2 * share(time.perf_counter_ns()) - 1)
        rows.append((piece, -(0.05 + 5 * chance + poor) + noise if rows else None))
    return rows


def spelled(script: Script, piece: str) -> str:
    match script.tokens:
        case "stripped":
            return piece.lstrip(" ")
        case "ids":
            return f"token_id:{int(share(piece) * 1e6)}"
        case "broken":
            return re.sub(r"[^\x00-\x7f]", "\ufffd", piece)
        case _:
            return piece


def alternatives(script: Script, prompt: str, text: str, count: int) -> dict[str, float]:
    """The first token's most likely alternatives; letters are among them where a letter is asked for."""
    first = (PIECE.findall(text) or [""])[0]
    others = [" A", "A", " B", " C"] if "letter" in prompt else []
    names = list(dict.fromkeys([first, *others, *(f" {word}" for word in WORDS)]))[:count]
    raw = {name: -0.5 if name == first else -(1 + 4 * share(script.weights, prompt, name)) for name in names}
    return dict(sorted(raw.items(), key=lambda pair: -pair[1]))


class Refusal(Exception):
    """A request that the script does not allow."""

    def __init__(self, status: int, says: str, retry_after: float | str | None = None) -> None:
        super().__init__(says)
        self.status, self.says, self.retry_after = status, says, retry_after


def answer(wire: Wire, path: str, body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The JSON to send and the units in it."""
    if (name := body.get("model")) in wire.adapters:
        wire = replace(wire, script=replace(wire.script, model=name, weights=name))
    script = wire.script
    for name in script.refuses:
        if name in body and (name, body[name]) != ("temperature", 1):
            raise Refusal(400, f"Unsupported parameter: {name!r}")
    if script.native and path == "/completions":
        return {"content": "a form of its own"}, []
    if script.checks and body.get("model") != script.model:
        raise Refusal(404, f"The model `{body.get('model')}` does not exist.")
    if not (script.chat if "chat" in path else script.completions):
        raise Refusal(404, "Not Found")
    return (chatted if "chat" in path else completed)(wire, body)


def seeds(wire: Wire, body: dict[str, Any]) -> list[int]:
    """The seed of each sample; a server without seeds never draws the same twice."""
    script, count = wire.script, int(body.get("n") or 1)
    if named := [name for name in ("top_k", "repetition_penalty") if name in body]:
        if script.rarer == "refused":
            raise Refusal(400, f"unrecognized argument: {named[0]}")
        if script.rarer == "heeded" and (body.get("top_k") == 1 or not body.get("temperature")):
            return [5] * count
    if script.min_p and body.get("temperature", 1) and body.get("min_p", script.min_p) == 1:
        return [5] * count
    if count > 1 and not script.n:
        count = 1
    if script.most and count > script.most:
        raise Refusal(400, f"Field 'n': Value must be between 1 <= value <= {script.most}, but got {count}")
    if script.greedy:
        return [0] * count
    if count > 1 and not body.get("temperature", 1):
        raise Refusal(400, "n must be 1 when using greedy sampling")
    if not body.get("temperature", 1):
        return [0] * count
    if not script.seed or body.get("seed") is None:
        wire.draws += count
        return [10**9 + wire.draws - i for i in range(count)]
    return [body["seed"] + (0 if script.copies else i) for i in range(count)]


def completed(wire: Wire, body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    script = wire.script
    prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
    if len(prompts) > 1 and not script.lists:
        raise Refusal(400, "prompt must be a string")
    if (body.get("logprobs") or 0) > (script.top or 99):
        raise Refusal(400, f"logprobs must be at most {script.top}")
    limit = body.get("max_tokens", 16)
    if limit == 0 and not script.zero:
        raise Refusal(400, "max_tokens must be at least 1")
    choices: list[dict[str, Any]] = []
    units: list[str] = []
    used = new = 0
    for prompt in prompts:
        for seed in seeds(wire, body):
            text, finish = written(script, prompt, seed, limit)
            text, finish = (text, finish) if limit else ("", "length")
            echoed = bool(body.get("echo")) and script.echo
            top = min(body.get("logprobs") or 0, script.top)
            told = top or (echoed and script.top and script.bare and body.get("logprobs") == 0)
            choices.append(
                {
                    "index": len(choices),
                    "text": prompt + text if echoed else text,
                    "finish_reason": finish,
                    "logprobs": logprobs(script, prompt, text, echoed, top) if told else None,
                }
            )
            units.append(f"={prompt}" if echoed else f"{prompt}#{seed}")
            used += len(weighed(script, prompt)) if echoed else len(PIECE.findall(prompt))
            new = (len(PIECE.findall(text)) if limit else int(script.bills)) + new * (not script.bills_one)
    usage: dict[str, Any] = {"prompt_tokens": used, "completion_tokens": new, "total_tokens": used + new}
    if script.usage is not ...:
        usage["completion_tokens"] = script.usage
    return {"id": "w", "object": "text_completion", "model": script.model, "choices": choices, "usage": usage}, units


def logprobs(script: Script, prompt: str, text: str, echoed: bool, top: int) -> dict[str, Any]:
    rows = (weighed(script, prompt) if echoed else []) + [(piece, -1.0) for piece in PIECE.findall(text)]
    names = [spelled(script, piece) for piece, _ in rows]
    offsets = [sum(map(len, names[:i])) for i in range(len(names))]
    tops: list[dict[str, float] | None] = [None if value is None else {} for _, value in rows]
    if not echoed and tops:
        tops[0] = alternatives(script, prompt, text, top)
    if script.logprob is not None:
        rows = [(piece, value and script.logprob) for piece, value in rows]
        tops = [top and dict.fromkeys(top, script.logprob) for top in tops]
    hidden = int(echoed and script.bos and not script.shows_bos)
    return {
        "tokens": names[hidden:],
        "token_logprobs": [None, *(value for _, value in rows[2:])] if hidden else [value for _, value in rows],
        "top_logprobs": tops,
        "text_offset": offsets,
    }


def chatted(wire: Wire, body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    script = wire.script
    prompt = "\n".join(f"{turn['role']}: {turn['content']}" for turn in body["messages"])
    if (body.get("top_logprobs") or 0) > (script.top or 99):
        raise Refusal(400, f"top_logprobs must be at most {script.top}")
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or 16
    choices: list[dict[str, Any]] = []
    units: list[str] = []
    new = 0
    for seed in seeds(wire, body):
        text, finish = written(script, prompt, seed, limit)
        text = text.strip()
        listed = None
        if body.get("logprobs") and script.top:
            top = alternatives(script, prompt, text, min(body.get("top_logprobs") or 0, script.top))
            first = {"token": (PIECE.findall(text) or [""])[0], "logprob": -0.5}
            listed = {"content": [first | {"top_logprobs": [{"token": k, "logprob": v} for k, v in top.items()]}]}
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if script.thinks:
            message, finish = thought(script.thinks, text, finish, seed if limit < 40 else None)
        choices.append({"index": len(choices), "message": message, "finish_reason": finish, "logprobs": listed})
        units.append(f"{prompt}#{seed}")
        new = len(PIECE.findall(text)) + new * (not script.bills_one)
    used = len(PIECE.findall(prompt))
    usage: dict[str, Any] = {"prompt_tokens": used, "completion_tokens": new, "total_tokens": used + new}
    if script.thinks == "unseen":
        usage["completion_tokens_details"] = {"reasoning_tokens": 30}
    return {"id": "w", "object": "chat.completion", "model": script.model, "choices": choices, "usage": usage}, units


def thought(form: str, text: str, finish: str, cut: int | None) -> tuple[dict[str, Any], str]:
    """The message of a model that thinks aloud before it says TEXT, and why it ended: within the thought, if CUT."""
    thinking, said, closing = "The user may want B. Or is it C", text, "\n</think>\n\n"
    if cut is not None:
        thinking, said, closing = f"The user may want {cut}", "", ""
    opening = "<think>\n" if form == "tagged" else ""
    message: dict[str, Any] = {"role": "assistant", "content": said}
    if form == "apart":
        message |= {"content": said or None, "reasoning_content": thinking}
    elif form in {"tagged", "closed"}:
        message["content"] = f"{opening}{thinking}{closing}{said}"
    return message, finish if cut is None else "length"


def spoilt(reply: dict[str, Any], units: list[str], kind: str) -> None:
    """Damage an answer that is otherwise right."""
    if kind == "short":
        reply["choices"].pop()
        units.pop()
        return
    text = {"null": None, "empty": "", "filtered": "", "surrogate": "half \ud83d a pair"}[kind]
    for choice in reply["choices"]:
        if kind == "filtered":
            choice["finish_reason"] = "content_filter"
        if "message" in choice:
            choice["message"]["content"] = text
        else:
            choice["text"] = text


async def reply(request: web.Request) -> web.StreamResponse:
    """Answer one request as the script says, and note when it left."""
    wire: Wire = request.app[WIRE]
    raw = await request.text()
    body = json.loads(raw)
    wire.bodies.append(body)
    wire.arrived.append(time.monotonic())
    wire.busy += 1
    wire.peak = max(wire.peak, wire.busy)
    try:
        if wire.script.rate is not None and wire.busy > wire.script.rate:
            raise Refusal(429, "slow down")
        theirs, came = wire.script.headers, request.headers
        if theirs and ("Authorization" in came or any(came.get(name) != value for name, value in theirs.items())):
            raise Refusal(401, f"no such key: {dict(came)}")
        if wire.script.key and request.headers.get("Authorization") != f"Bearer {wire.script.key}":
            raise Refusal(401, "Incorrect API key provided")
        fault = wire.fault(json.dumps(body, ensure_ascii=False))
        if fault and fault.kind.isdigit():
            raise Refusal(int(fault.kind), fault.says, fault.retry_after)
        if fault and fault.kind == "hang":
            await asyncio.sleep(3600)
        while wire.peak < wire.full:
            await asyncio.sleep(0.001)
        if wire.script.endless and body.get("max_tokens") == 0 and not body.get("stop"):
            await asyncio.sleep(3600)
        if wire.script.latency:
            await asyncio.sleep(wire.script.latency)
        if fault and fault.kind == "reset":
            assert request.transport is not None
            request.transport.abort()
        return await send(request, wire, body, fault)
    except Refusal as refusal:
        headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
        if refusal.status == 302:
            headers["Location"] = f"http://127.0.0.1/{refusal.says}"
        words = {"error": {"message": refusal.says, "type": "wire", "code": refusal.status}}
        return web.json_response(words, status=refusal.status, headers=headers)
    finally:
        wire.busy -= 1


async def unending(request: web.Request, kind: str) -> web.StreamResponse:
    """A reply that has begun, and does not end while anyone reads it."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    with suppress(ConnectionError):
        await response.prepare(request)
        while True:
            await response.write(b" " if kind == "drip" else bytes(2**20))
            await asyncio.sleep(0.05 if kind == "drip" else 0)
    return response


@cache
def bomb() -> bytes:
    return gzip.compress(bytes(2**23), 1) * 40


async def send(request: web.Request, wire: Wire, body: dict[str, Any], fault: Fault | None) -> web.StreamResponse:
    if data := next((raw for part, raw in wire.script.raw.items() if part in json.dumps(body)), None):
        return web.Response(body=data, content_type="application/json")
    found, units = answer(wire, request.path, body)
    kind = fault.kind if fault else ""
    if kind in {"short", "null", "empty", "filtered", "surrogate"}:
        spoilt(found, units, kind)
    data = json.dumps(found).encode()
    if kind == "truncate":
        data, units = data[: len(data) // 2], []
    if kind == "latin":
        data = data.replace(b'"text": "', b'"text": "caf\xe9 ')
    if kind == "bomb":
        return web.Response(body=bomb(), content_type="application/json", headers={"Content-Encoding": "gzip"})
    if kind in {"drip", "endless"}:
        return await unending(request, kind)
    if kind == "garbage":
        data, units = b"<html>Bad gateway</html>", []
    response = web.Response(body=data, content_type="application/json")
    try:
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError:
        return response  # whoever asked is gone, and paid for nothing
    now = time.time()
    wire.sent.extend((unit, now) for unit in units)
    return response


async def models(request: web.Request) -> web.Response:
    wire: Wire = request.app[WIRE]
    name, common = wire.script.model, {"object": "model", "created": time.time_ns()}
    loaded = [{**common, "id": each, "root": path, "parent": name} for each, path in wire.adapters.items()]
    listed = [{**common, "id": name, "root": name, "max_model_len": 1024}, *loaded]
    return web.json_response({"object": "list", "data": listed})


async def load(request: web.Request) -> web.Response:
    """VLLM's /v1/load_lora_adapter, which takes a name once."""
    wire, told = request.app[WIRE], await request.json()
    name, path = told["lora_name"], told["lora_path"]
    if fault := wire.fault(json.dumps(told)):
        return web.json_response({"error": {"message": fault.says, "code": 400}}, status=400)
    if not wire.script.adapters or not (Path(path) / "adapter_config.json").is_file():
        return web.json_response({"error": {"message": "No adapter found", "code": 404}}, status=404)
    if name in wire.adapters:
        return web.json_response({"error": {"message": f"{name!r} is loaded", "code": 400}}, status=400)
    wire.adapters[name] = path
    return web.Response(text=f"Success: LoRA adapter '{name}' added successfully.")


async def tokens(request: web.Request) -> web.Response:
    """VLLM's /tokenize: a token's id is its place among those that this process has met."""
    vocabulary: list[str] = request.app[VOCABULARY]
    pieces = PIECE.findall((await request.json())["prompt"])
    vocabulary += [piece for piece in dict.fromkeys(pieces) if piece not in vocabulary]
    written = [piece.replace(" ", "\u2581") for piece in pieces]
    ids = [vocabulary.index(piece) for piece in pieces]
    return web.json_response({"count": len(ids), "max_model_len": 1024, "tokens": ids, "token_strs": written})


async def text(request: web.Request) -> web.Response:
    """VLLM's /detokenize."""
    vocabulary = request.app[VOCABULARY]
    return web.json_response({"prompt": "".join(vocabulary[place] for place in (await request.json())["tokens"])})


async def state(request: web.Request) -> web.Response:
    """What a subprocess counted: requests, units and the most at once."""
    wire: Wire = request.app[WIRE]
    return web.json_response({"requests": len(wire.bodies), "units": wire.units(), "peak": wire.peak})


WIRE: web.AppKey[Wire] = web.AppKey("wire", Wire)
VOCABULARY: web.AppKey[list[str]] = web.AppKey("vocabulary", list)


def application(wire: Wire) -> web.Application:
    app = web.Application(client_max_size=64 * 2**20)
    app[WIRE] = wire
    app[VOCABULARY] = []
    app.router.add_post("/v1/completions", reply)
    app.router.add_post("/v1/chat/completions", reply)
    app.router.add_post("/v1/openai/deployments/{name}/chat/completions", reply)
    app.router.add_post("/completions", reply)
    app.router.add_post("/chat/completions", reply)
    app.router.add_post("/v1alpha1/comments:analyze", reply)
    app.router.add_post("/v1/load_lora_adapter", load)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/models", models)
    app.router.add_post("/tokenize", tokens)
    app.router.add_post("/detokenize", text)
    app.router.add_get("/wire", state)
    return app


@asynccontextmanager
async def serving(script: Script | None = None) -> AsyncIterator[Wire]:
    """Serve on a free port of this machine while the block runs."""
    wire = Wire(script or Script())
    runner = web.AppRunner(application(wire), access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = site._server
    assert isinstance(server, asyncio.Server)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield wire
    finally:
        await runner.cleanup()


def told(text: str) -> Script:
    """A script from its JSON."""
    fields = json.loads(text)
    faults = tuple(Fault(**fault) for fault in fields.pop("faults", ()))
    return replace(Script(**fields), faults=faults)


def spoken(script: Script) -> str:
    """A script as JSON, for the command line."""
    return json.dumps(asdict(script))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--script", default="{}", help="the script as JSON")
    given = parser.parse_args()
    async with serving(told(given.script)) as wire:
        print(wire.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
