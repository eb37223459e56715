"""What a server can do, how it wants to be asked, and which weights stand behind it: found out by asking."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from math import fsum
from statistics import fmean

from profiler.endpoints import fingerprint as canary
from profiler.endpoints.engine import SampleCall
from profiler.endpoints.openai.reply import EchoedText, ServerReply, echoes, spell
from profiler.endpoints.openai.transport import Body, KeyRefused, Transport
from profiler.errors import EndpointDown, EndpointError, Refused, Unreadable, WrongUse
from profiler.records import Capabilities, Fingerprint, Json, Sampling

COMPLETIONS = "/completions"

PROMPT = "Once upon a time, in a village by the sea,"
"""What is asked to find out; open enough that two samples of it differ."""

TRIES = 2
"""Attempts at each question: an error is an answer here too."""

QUESTION = 60.0
"""Seconds that an attempt at a question may take."""

SHORT = 20.0
"""Seconds for the question that some servers answer without an end."""

ALL = 600.0
"""Seconds for all questions together, those to the fixed text that tells weights apart among them."""

SAMPLES = 4
"""Samples asked for at once, to see that they differ."""

DRAWN = Sampling(temperature=1.0, max_tokens=16, seed=1234)
LONGER = DRAWN.model_copy(update={"max_tokens": 64})
"""What begins with a thought differs later: many begin with the same words."""

GREEDY = Sampling(max_tokens=canary.WORDS)
ONE = Sampling(max_tokens=1)

WILD = Sampling(temperature=2.0, max_tokens=12)
"""Two draws of it differ, unless something holds them to the likeliest token."""
FEW = WILD.model_copy(update={"max_tokens": 4})

AGAIN = "the sea, the sea, the sea, the sea, the sea, the"
"""A text whose likeliest continuation says again what stands there."""

TOPS = (20, 10, 5, 1)
"""Numbers of alternatives to try, until the server takes one."""

BOS = ("<bos>", "<s>", "<|begin_of_text|>", "<|endoftext|>", "<|startoftext|>")
"""Names that begin-of-text goes by."""

WITHOUT = "leave it out, or ask a server that has it, such as vLLM, or a checkpoint in this process"

NOISE = 0.1
"""Nats a token that the same text differs by in two requests, at most: bf16 is not exact."""

MISSED = 0.5
"""Nats a token that a text gains from an explicit begin-of-text where the server wrongly leaves it out."""


ENDS: Body = {"stop": [" ", "\n", "e", "a"]}
"""What ends a text soon that should not have begun: some servers take a limit of 0 for none."""


@dataclass(frozen=True)
class Dialect:
    """How this server wants to be asked."""

    model: str
    seeds: bool = True
    """It takes a seed, whether or not it heeds it."""
    limit: str = "max_tokens"
    """What chat calls the limit of new tokens; some models only know `max_completion_tokens`."""
    warm: bool = True
    """It takes a temperature and a nucleus; otherwise it draws at 1 from all tokens."""
    nucleus: bool = True
    """It takes a nucleus that is everything beside a temperature."""
    stops: bool = True
    """It takes strings to stop at; otherwise texts are cut there when they have come."""
    whole: tuple[str, ...] = ()
    """Settings that cut unlikely tokens off and are sent as 0, since the server has values of its own for them."""
    short: bool = False
    """It bills one of the samples in a request."""
    scored: int = 0
    """max_tokens of a request that only weighs: 0, or 1 where the server wants at least one."""
    beside: int = 1
    """Alternatives of each token of a weighed text that are asked for and not used: 0 where the server can do without,
    which spares it a search of its whole vocabulary for every token."""

    def draw(self, call: SampleCall, first: int, count: int) -> Body:
        """Ask for `count` samples, of which the first is drawn with seed + `first`."""
        sampling = call.sampling
        body: Body = {"model": self.model}
        if call.chat:
            system: list[Json] = [{"role": "system", "content": call.system}] if call.system else []
            body |= {"messages": [*system, {"role": "user", "content": call.prompt}], self.limit: sampling.max_tokens}
        else:
            body |= {"prompt": call.prompt, "max_tokens": sampling.max_tokens}
        if self.warm:
            body["temperature"] = sampling.temperature
        if sampling.temperature:
            if self.warm and (self.nucleus or sampling.top_p != 1):
                body["top_p"] = sampling.top_p
            if self.seeds:
                body["seed"] = sampling.seed + first
            body |= dict.fromkeys(self.whole, 0)
        body |= sampling.rarer
        if count > 1:
            body["n"] = count
        if sampling.stop and self.stops:
            body["stop"] = list(sampling.stop)
        if call.top and call.chat:
            body |= {"logprobs": True, "top_logprobs": call.top}
        elif call.top:
            body["logprobs"] = call.top
        return body

    def score(self, texts: Sequence[str]) -> Body:
        """Ask how likely each text is; several in one request make a list."""
        body: Body = {
            "model": self.model,
            "prompt": list(texts) if len(texts) > 1 else texts[0],
            "max_tokens": self.scored,
            "temperature": 0,
            "echo": True,
            "logprobs": self.beside,
        }
        return body if self.scored else body | ENDS


def path(call: SampleCall) -> str:
    return "/chat/completions" if call.chat else COMPLETIONS


@dataclass(frozen=True)
class ServerAbility:
    """What a server can do, and how it wants to be asked."""

    capabilities: Capabilities
    dialect: Dialect
    talks: bool
    """Text is asked for through chat."""


class Allowance:
    """How long a server may still take for small questions, however it spends the time."""

    def __init__(self, url: str | None) -> None:
        self._url, self._all = url, ALL
        self._left = ALL

    @asynccontextmanager
    async def spent(self) -> AsyncIterator[None]:
        """What the block takes is taken off; it is ended where nothing is left."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._left):
                yield
        except TimeoutError:
            raise EndpointDown(
                f"{self._url} did not answer the first small questions within {self._all:.0f} s; is it busy?"
            ) from None
        finally:
            self._left -= time.monotonic() - started


class Inquiry:
    """One round of questions to a server."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._endpoint = transport.endpoint
        self._dialect = Dialect(transport.endpoint.model)
        self._talks = False
        self._thinks = False
        """Some answer through chat came with a thought."""
        self._drawn = DRAWN
        self._notes: dict[str, str | EndpointError] = {}
        """Why something is missing: what was seen, or the server's own words."""
        self._billed = 0
        """Tokens that the server counted in the text that it weighed last."""

    async def ability(self) -> ServerAbility:
        """What the server can do; raises where it does nothing at all."""
        completions, chat = map(bool, await asyncio.gather(self._sampled("completions", ONE, chat=False), self._chat()))
        if not completions:
            await self._elsewhere()
        if not completions and not chat:
            raise await self._mute()
        self._talks = not completions or (chat and self._endpoint.chat)
        if unlisted := await self._unlisted():
            self._notes["model"] = f"the server lists no model {self._endpoint.model!r}, but {unlisted}"
        seed, sampled = await self._seed()
        await self._stops()
        if sampled and self._dialect.warm:
            await self._whole()
        self._thinks = self._thinks and self._talks
        n, lists, top, (echo, bos) = await asyncio.gather(
            self._n(), self._lists(completions), self._top(), self._echo(completions)
        )
        found = Capabilities(
            completions=completions,
            chat=chat,
            echo=echo,
            n=n,
            prompt_lists=lists,
            top_logprobs=top,
            thinks=self._thinks,
            seed=seed,
            sampled=sampled,
            temperature=self._dialect.warm,
            bos=bos,
            uncut=self._dialect.whole,
            adapted=tuple(self._adapted()),
            notes={about: str(note) for about, note in sorted(self._notes.items())},
        )
        return ServerAbility(found, self._dialect, self._talks)

    async def _ask(self, about: str, where: str, body: Body, seconds: float = QUESTION) -> ServerReply | None:
        """The reply; or None, with the server's words noted."""
        try:
            return await self._transport.post(where, body, TRIES, seconds)
        except EndpointDown:
            raise
        except EndpointError as error:
            self._notes[about] = error
            return None

    async def _sampled(
        self, about: str, sampling: Sampling, count: int = 1, top: int = 0, chat: bool | None = None
    ) -> ServerReply | None:
        call = SampleCall(PROMPT, sampling, (), self._talks if chat is None else chat, top=top)
        found = await self._ask(about, path(call), self._dialect.draw(call, 0, count))
        self._thinks |= call.chat and found is not None and found.thinks
        return found

    async def _chat(self) -> ServerReply | None:
        """An answer through chat; what refuses the usual words is asked in those that some hosted models want."""
        found = await self._sampled("chat", ONE, chat=True)
        usual, why = self._dialect, self._notes.get("chat")
        for limit, warm in (("max_completion_tokens", True), ("max_tokens", False), ("max_completion_tokens", False)):
            if found or not isinstance(why, Refused) or isinstance(why, KeyRefused):
                break
            self._dialect = replace(usual, limit=limit, warm=warm)
            found = await self._sampled("chat", ONE, chat=True)
        if found:
            self._notes.pop("chat", None)
            if not self._dialect.warm:
                self._notes["temperature"] = f"with one it said: {why}"
        elif why:
            self._dialect, self._notes["chat"] = usual, why
        return found

    async def _stops(self) -> None:
        """Whether it takes strings to stop at."""
        if not await self._sampled("stop", ONE.model_copy(update={"stop": ("\n###",)})):
            self._dialect = replace(self._dialect, stops=False)

    async def _whole(self) -> None:
        """Of the settings that cut unlikely tokens off, those that the server knows: it may have values of its own.

        With each at its strictest only the likeliest token is left, so that two draws are the same. Where they are so
        by chance, a setting is sent that changes nothing.
        """
        plain, call = self._dialect, SampleCall(PROMPT, FEW, (), self._talks)
        for name in ("top_k", "min_p"):
            strict = [plain.draw(call, seed, 1) | {name: 1} for seed in (1, 2)]
            drawn = await asyncio.gather(*(self._ask(name, path(call), body) for body in strict))
            if all(drawn) and len({tuple(texts(reply)) for reply in drawn if reply}) == 1:
                self._dialect = replace(self._dialect, whole=(*self._dialect.whole, name))
            self._notes.pop(name, None)
        if self._dialect.whole and not await self._sampled("whole", FEW):
            self._dialect = plain
        self._notes.pop("whole", None)

    def _adapted(self) -> Iterator[str]:
        """What it is asked otherwise than most."""
        asked = self._dialect
        if asked.limit != "max_tokens":
            yield f"the limit of a text is sent as {asked.limit}"
        if not asked.nucleus:
            yield "no top_p of 1 is sent"
        if not asked.warm:
            yield "no temperature and no top_p are sent"
        if not asked.seeds:
            yield "no seed is sent"
        if not asked.stops:
            yield "no stop strings are sent: texts run on and are cut there, and what follows is paid for"
        if asked.whole:
            yield f"{' and '.join(asked.whole)} 0 is sent, so that no cut of the server's own is made"
        if asked.short:
            yield "its bill counts one of the samples in a request: tokens paid are at least what is said"

    async def _mute(self) -> EndpointError:
        """Why nothing is available, in one sentence."""
        error = self._notes["chat" if self._endpoint.chat else "completions"]
        if not isinstance(error, Refused):
            url, told = self._endpoint.url or "", str(error)
            where = "" if url in told else f"nothing answers at {url}: "
            return EndpointDown(f"{where}{told}; is the server running?")
        if listed := await self._unlisted():
            return Refused(f"no model {self._endpoint.model!r} at {self._endpoint.url}; it serves {listed}")
        return Refused(f"{self._endpoint.url} refused: {error}")

    async def _unlisted(self) -> str:
        """The names that the server lists, where the model's is not among them; a proxy's patterns stand for many."""
        listed = [model.id for model in await self._transport.models()]
        if self._endpoint.model in listed or any("*" in name for name in listed):
            return ""
        return ", ".join(listed[:10])

    async def _elsewhere(self) -> None:
        """An address that lacks its /v1 is refused: some servers answer chat there, completions in their own way."""
        address = f"{self._endpoint.url}".rstrip("/")
        if address.endswith("/v1"):
            return
        kept = dict(self._notes)
        call = SampleCall(PROMPT, ONE, (), False)
        if await self._ask("v1", f"/v1{path(call)}", self._dialect.draw(call, 0, 1)):
            raise Refused(f"{address} is not the whole address: completions are answered at {address}/v1; use that")
        self._notes = kept

    async def _seed(self) -> tuple[bool, bool]:
        """Whether the same seed gives the same sample again, and whether there is chance in a sample at all."""
        one = await self._sampled("seed", DRAWN)
        if self._thinks:
            self._drawn = LONGER
            one = await self._sampled("seed", LONGER)
        usual = self._dialect
        for seeds, nucleus in ((False, True), (True, False), (False, False)) if not one else ():
            # Refused, not just unheeded: then it must not be sent at all.
            self._dialect = replace(usual, seeds=seeds, nucleus=nucleus)
            if one := await self._sampled("drawn", self._drawn):
                break
        self._notes.pop("drawn", None)
        if one and self._dialect.seeds:
            self._notes.pop("seed", None)
        again = await self._sampled("seed", self._drawn)  # alone: together, a server's sums may round otherwise
        others = [self._drawn.model_copy(update={"seed": DRAWN.seed + step}) for step in (1, 2)]
        elsewhere = await asyncio.gather(*(self._sampled("sampled", other) for other in others))
        seen = {tuple(texts(reply)) for reply in (one or again, *elsewhere) if reply}
        if all(elsewhere) and len(seen) == 1 and any(map(any, seen)):
            self._notes["sampled"] = "three samples at temperature 1 were the same text: it always decodes greedily"
            self._notes["seed"] = "all samples are the same"
            return False, False
        self._notes.pop("sampled", None)
        if one and again and self._dialect.seeds and texts(one) != texts(again):
            self._notes["seed"] = "the same seed gave two different samples"
        elif one and not any(map(any, seen)):
            self._notes["seed"] = "can't be seen: nothing was written within the few tokens that were asked for"
        return bool(one and again) and "seed" not in self._notes, True

    async def _n(self) -> bool:
        found = await self._sampled("n", self._drawn, SAMPLES)
        if not found:
            return False
        count, distinct = len(found.choices), len(set(texts(found)))
        if count < SAMPLES:
            self._notes["n"] = f"asked for {SAMPLES} samples, got {count}"
        elif distinct == 1:
            self._notes["n"] = f"asked for {SAMPLES} samples, got {SAMPLES} times the same"
        full = sum(choice.finish_reason == "length" for choice in found.choices) * self._drawn.max_tokens
        if found.usage and found.usage.completion_tokens and found.usage.completion_tokens < full:
            self._dialect = replace(self._dialect, short=True)
        return count >= SAMPLES and distinct > 1

    async def _lists(self, completions: bool) -> bool:
        if not completions:
            return False
        body = self._dialect.draw(SampleCall(PROMPT, ONE, ()), 0, 1) | {"prompt": [PROMPT, PROMPT.upper()]}
        found = await self._ask("prompt_lists", COMPLETIONS, body)
        if found and len(found.choices) < 2:
            self._notes["prompt_lists"] = f"sent 2 prompts, got {len(found.choices)} answer"
        return found is not None and len(found.choices) == 2

    async def _top(self) -> int:
        if self._thinks:
            self._notes["top_logprobs"] = "it thinks before it answers: the first token is not the answer's"
            return 0
        for wanted in TOPS:
            if found := await self._sampled("top_logprobs", ONE, top=wanted):
                first = found.choices[0].logprobs.first() if found.choices and found.choices[0].logprobs else {}
                self._notes["top_logprobs"] = f"asked for {wanted} alternatives of a token, got none"
                if first:
                    del self._notes["top_logprobs"]
                return min(wanted, len(first))
            if wanted == TOPS[0] and not await self._sampled("top_logprobs", ONE, top=1):
                break  # it is not the number that it minds, and some take long to say so
        return 0

    async def _echo(self, completions: bool) -> tuple[bool, bool | None]:
        """Whether it weighs texts, and whether it puts begin-of-text before them."""
        if not completions:
            self._notes["echo"] = "only /completions echoes, and it does not answer there"
            return False, None
        # One token is asked for first: to some servers none means no limit.
        self._dialect = replace(self._dialect, scored=1)
        found = await self._weighed(PROMPT)
        if not found:
            return False, None
        # No new token, and no alternatives of a weighed text's tokens, are asked for where that brings the same.
        for less in ("scored", "beside"):
            before = self._dialect
            self._dialect = replace(before, scored=0) if less == "scored" else replace(before, beside=0)
            other = await self._weighed(PROMPT, SHORT)
            if not other or other.tokens != found.tokens or abs(mean(other) - mean(found)) > NOISE:
                self._dialect = before
        bos = await self._bos(found)
        self._notes.pop("echo", None)
        return True, bos

    async def _weighed(self, text: str, seconds: float = QUESTION) -> EchoedText | None:
        reply = await self._ask("echo", COMPLETIONS, self._dialect.score([text]), seconds)
        if not reply:
            return None
        found = echoes(reply, [text], self._dialect.scored).get(0, Unreadable("the server sent no choice"))
        if isinstance(found, EchoedText) and sum(value is not None for value in found.logprobs) > 1:
            if len(reply.choices[0].text or "") == len(text) or self._dialect.scored:
                self._billed = (reply.usage.prompt_tokens if reply.usage else None) or 0
                return found
            found = Unreadable("asked for no new tokens, got some")
        self._notes["echo"] = str(found) if isinstance(found, EndpointError) else "the echoed text is not weighed"
        return None

    async def _bos(self, plain: EchoedText) -> bool | None:
        """Whether something stands before a text's first token; None where the tokens can't be told."""
        spans = spell(plain.tokens, PROMPT)
        if spans is None:
            self._notes["bos"] = "the server's tokens don't spell the text"
            return None
        if plain.logprobs[0] is not None or spans[0].end == 0:
            return True
        if self._billed == len(plain.tokens) + 1:
            return True  # it is there and not shown, so that the first token shown has no log-probability
        self._notes["bos"] = missing = "the server puts no begin-of-text token before a text"
        for name, found in zip(BOS, await asyncio.gather(*(self._weighed(name + PROMPT) for name in BOS)), strict=True):
            if not found or len(found.tokens) != len(plain.tokens) + 1:
                continue  # read as ordinary characters: not this model's
            gain = fsum((b or 0) - (a or 0) for a, b in zip(plain.logprobs[1:], found.logprobs[2:], strict=True))
            gain /= len(plain.tokens) - 1
            if gain > MISSED:
                self._notes["bos"] = (
                    f"{missing}, though the model expects it ({name} in front makes a text {gain:.1f} nats a token "
                    "likelier): its numbers will be wrong; start the server so that it adds it"
                )
                break
        return False

    async def heeds(self, name: str, call: SampleCall, dialect: Dialect) -> None:
        """Refuse the run where the server does not do what a decoding setting says: another decoding is no answer."""

        async def asked(prompt: str, sampling: Sampling, first: int = 0) -> list[str | None]:
            body = dialect.draw(call._replace(prompt=prompt, sampling=sampling, top=0), first, 1)
            try:
                return texts(await self._transport.post(path(call), body, TRIES))
            except Refused as error:
                raise WrongUse(f"{self._endpoint.url} refuses {name}: {error}; {WITHOUT}") from None

        if name == "top_k":
            one = WILD.model_copy(update={"top_k": 1})
            told = [await asked(PROMPT, sampling, seed) for sampling in (one, WILD) for seed in (1, 2)]
            heeded = told[0] == told[1] and told[2] != told[3]
        else:
            hard = GREEDY.model_copy(update={"repetition_penalty": 2.0})
            told = [await asked(AGAIN, sampling) for sampling in (GREEDY, GREEDY, hard)]
            heeded = told[0] == told[1] != told[2]
        if not heeded:
            raise WrongUse(f"{self._endpoint.url} takes {name} but draws as without it; {WITHOUT}")


def mean(echo: EchoedText) -> float:
    """Nats a token, of those that have a log-probability."""
    return fmean(value for value in echo.logprobs if value is not None)


def texts(reply: ServerReply) -> list[str | None]:
    return [choice.written for choice in reply.choices]


async def fingerprint(transport: Transport, ability: ServerAbility) -> Fingerprint:
    """What stands behind the name: what the server lists, and how it takes the canary."""
    model = transport.endpoint.model
    listed = next((one for one in await transport.models() if one.id == model), None)
    served = listed.model_dump_json(exclude_none=True) if listed else ""
    if ability.capabilities.echo:
        reply = await transport.post(COMPLETIONS, ability.dialect.score([canary.TEXT]))
        found = echoes(reply, [canary.TEXT], ability.dialect.scored).get(0)
        if not isinstance(found, EchoedText):
            raise found or Unreadable("the server sent no choice for the canary text")
        weighed = tuple(round(value, 4) for value in found.logprobs if value is not None)
        return canary.fingerprint(model, served, "", weighed)
    calls = [SampleCall(opening, GREEDY, (), ability.talks) for opening in canary.OPENINGS]
    replies = await asyncio.gather(*(transport.post(path(call), ability.dialect.draw(call, 0, 1)) for call in calls))
    drawn = [(reply.choices[0].written or "") if reply.choices else "" for reply in replies]
    return canary.fingerprint(model, served, json.dumps(drawn), ())
