"""The fixed text that tells one model's weights from another's behind the same name."""

import json
from hashlib import blake2b
from statistics import median

from profiler.records import Fingerprint

TEXT = (
    "The nurse told the engineer that her sister, who had moved to Lisbon in 1987, still kept 3 letters, "
    "a cracked violin and a recipe for lentil soup; nobody believed it, but the neighbours did."
)
"""Weighed where the endpoint echoes: about 40 tokens of ordinary and of rarer words, numbers and names."""

OPENINGS = ("The old lighthouse keeper opened the door and", "My three favourite numbers are", "To cook rice, first")
"""Continued greedily where it does not."""

WORDS = 8
"""Tokens of each opening's greedy continuation."""

# Measured on Gemma 3 270M over this text, against bf16 with fused attention (nats a token, median / largest):
#   float32 weights 0.023 / 0.08, another attention kernel 0.024 / 0.11: what precision alone does;
#   one AdamW step at 1e-5 0.030 / 0.18, three steps 0.060 / 0.75, ten steps 0.15 / 3.3: what training does.
# One model, in process on a CPU, where batching changed nothing at all; a GPU server under load was not measured. A
# model one step away can't be told from noise. Noise past these limits costs answers paid anew, never answers mixed.
TYPICAL = 0.04
"""Nats: half of the canary's tokens must agree within this."""

WORST = 0.25
"""Nats: all of them must agree within this."""


def agree(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether two fingerprints are of the same weights, as far as reduced precision under load lets one see."""
    if one.id == other.id:
        return True
    if one.served != other.served or len(one.logprobs) != len(other.logprobs):
        return False
    if one.logprobs:
        gaps = [abs(a - b) for a, b in zip(one.logprobs, other.logprobs, strict=True)]
        return median(gaps) <= TYPICAL and max(gaps) <= WORST
    try:
        pairs: list[tuple[str, str]] = list(zip(json.loads(one.canary), json.loads(other.canary), strict=True))
    except ValueError:
        return one.canary == other.canary
    # At least two of three greedy texts are equal: a near-tie may tip one, other weights tip more.
    return sum(a == b for a, b in pairs) * 3 >= len(pairs) * 2


def fingerprint(model: str, served: str, canary: str, logprobs: tuple[float, ...]) -> Fingerprint:
    """A fingerprint named by its own content."""
    content = json.dumps([model, served, canary, logprobs])
    name = blake2b(content.encode(), digest_size=8).hexdigest()
    return Fingerprint(id=name, served=served, canary=canary, logprobs=logprobs)
