"""Texts that share what they begin with are scored together, in one forward pass over a tree of their tokens.

Imports torch: import this module only where a model is about to be used.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from profiler.endpoints.engine import ScoreCall, shared
from profiler.endpoints.local.checkpoint import SLIDING, Checkpoint, Key
from profiler.errors import EndpointDown
from profiler.records import Likelihood, Usage

LONGEST_TREE = 2048
"""Tokens of a tree; its mask grows with the square, and what is longer is scored text by text."""

LOGITS = 2**28
"""How many logits one forward pass may produce: half a gigabyte in bfloat16."""

ROWS = 64
"""Rows of logits that are turned into float32 at once."""

CANARY = ScoreCall(
    "The capital of France is",
    (" Paris, a city on the river Seine.", " London, and it rains there more often than not."),
    (0, 1),
)


@dataclass(frozen=True)
class TokenizedText:
    """A text's tokens, of which those from `start` on are scored."""

    key: Key
    tokens: tuple[int, ...]
    start: int
    paid: int
    """Tokens that no text of its call before it has already paid for."""


def lines(checkpoint: Checkpoint, key: int, call: ScoreCall) -> list[TokenizedText]:
    """Each text of a call after its prefix; an empty prefix stands for the begin-of-text token, where there is one.

    Spaces that end the prefix belong to the text, as in lm-eval's `_encode_pair`: a word's token includes the space
    before it. Where a token spans the boundary it is scored whole.
    """
    context = call.prefix.rstrip()
    before = checkpoint.encode(context) if context else checkpoint.start
    made: list[TokenizedText] = []
    for index in call.indices:
        text = call.prefix + call.texts[index]
        tokens = checkpoint.encode(text) if context else (*checkpoint.start, *checkpoint.bare(text))
        first = made[0].tokens if made else ()
        start = max(1, shared(before, tokens))
        made.append(TokenizedText((key, index), tokens, start, paid=len(tokens) - shared(first, tokens)))
    return made


class PrefixTree:
    """Lines, with every token that some of them begin with in common held once; a row of a batch."""

    def __init__(self, lines: Iterable[TokenizedText]) -> None:
        self.nodes: dict[tuple[int, int], int] = {}
        """A node's parent (-1 for none) and its token → its number, in the order in which they were made."""
        self.asked: list[tuple[TokenizedText, list[int]]] = []
        """Each line with the nodes that predict its scored tokens."""
        self.grow(lines)

    def __len__(self) -> int:
        return len(self.nodes)

    def grow(self, lines: Iterable[TokenizedText]) -> None:
        """Add lines. The last token of each is only predicted, so it needs no node."""
        for line in lines:
            node, path = -1, []
            for token in line.tokens[:-1]:
                node = self.nodes.setdefault((node, token), len(self.nodes))
                path.append(node)
            self.asked.append((line, path[line.start - 1 :]))

    @property
    def forks(self) -> bool:
        """Whether it is more than one ordinary text, and needs a mask of ours."""
        return any(parent != node - 1 for (parent, _), node in self.nodes.items())

    @property
    def predicting(self) -> list[int]:
        """The nodes whose prediction is asked for, each once."""
        return sorted({node for _, path in self.asked for node in path})

    def sees(self, length: int) -> NDArray[np.bool_]:
        """Which node sees which: itself and its ancestors. Padding sees itself, or its softmax would be 0/0."""
        mask = np.eye(length, dtype=np.bool_)
        for (parent, _), node in self.nodes.items():
            if parent >= 0:
                mask[node] |= mask[parent]
        return mask


def plant(groups: Iterable[Sequence[TokenizedText]], longest: int) -> list[PrefixTree]:
    """One tree a group of lines, or one a line where the tree would be too long.

    Groups come sorted by their tokens: one that begins like the last (few-shot examples) grows on the same tree.
    """
    trees: list[PrefixTree] = []
    last: tuple[int, ...] = ()
    for group in groups:
        first = group[0].tokens
        size = len(first) + sum(len(line.tokens) - shared(first, line.tokens) for line in group[1:])
        common = shared(last, first)
        if size > longest:
            trees.extend(PrefixTree([line]) for line in group)
            last = ()
            continue
        if 2 * common > len(first) and len(trees[-1]) + size - common <= longest:
            trees[-1].grow(group)
        else:
            trees.append(PrefixTree(group))
        last = first
    return trees


def batches(trees: Sequence[PrefixTree], tokens: int, logits: int) -> list[list[PrefixTree]]:
    """Trees of like length together, so that little is padded, within a budget of tokens and of rows of logits."""
    made: list[list[PrefixTree]] = []
    asked = 0
    for tree in sorted(trees, key=len, reverse=True):
        need = len(tree.predicting)
        if not made or (len(made[-1]) + 1) * len(made[-1][0]) > tokens or asked + need > logits:
            made.append([])
            asked = 0
        made[-1].append(tree)
        asked += need
    return made


class LikelihoodScorer:
    """Scores lines in batches that fit the device."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.tokens = 2048 if checkpoint.device.type == "cpu" else 16384
        self.longest = LONGEST_TREE if self.shares() else 0

    def score(self, groups: Sequence[Sequence[TokenizedText]]) -> Iterator[list[tuple[Key, Likelihood]]]:
        """Score every line of every group, a batch at a time."""
        logits = max(1, LOGITS // self.checkpoint.vocabulary)
        in_order = sorted((group for group in groups if group), key=lambda group: group[0].tokens)
        waiting = batches(plant(in_order, self.longest), self.tokens, logits)
        while waiting:
            batch = waiting.pop(0)
            try:
                yield self.forward(batch)
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise EndpointDown(f"no memory to score one text of {len(batch[0]):,} tokens") from None
                torch.cuda.empty_cache()
                self.tokens = max(1, self.tokens // 2)
                waiting = batches([tree for trees in [batch, *waiting] for tree in trees], self.tokens, logits)

    @torch.inference_mode()
    def forward(self, trees: Sequence[PrefixTree]) -> list[tuple[Key, Likelihood]]:
        """One pass of the model over the trees; its head over the predicting nodes only."""
        length = max(1, *map(len, trees))
        rows = [(number, node) for number, tree in enumerate(trees) for node in tree.predicting]
        place = {row: index for index, row in enumerate(rows)}
        wanted = [
            (place[number, node], token)
            for number, tree in enumerate(trees)
            for line, path in tree.asked
            for node, token in zip(path, line.tokens[line.start :], strict=True)
        ]
        found = iter(self.predicted(trees, length, [number * length + node for number, node in rows], wanted))
        return [
            (line.key, Likelihood(total=sum(islice(found, len(path))), tokens=len(path), usage=Usage(prompt=line.paid)))
            for tree in trees
            for line, path in tree.asked
        ]

    def predicted(
        self, trees: Sequence[PrefixTree], length: int, positions: list[int], wanted: list[tuple[int, int]]
    ) -> list[float]:
        """Log-probability of each wanted (row of logits, token)."""
        if not wanted:
            return []
        device = self.checkpoint.device
        with self.checkpoint.head_at(torch.tensor(positions, device=device)):
            logits = self.checkpoint.model(**self.inputs(trees, length), use_cache=False).logits[0]
        # One float32 copy of all rows would be the largest thing in memory.
        norms = torch.cat([rows.float().logsumexp(-1) for rows in logits.split(ROWS)])
        rows, tokens = torch.tensor(wanted, device=device).T
        likely: list[float] = (logits[rows, tokens].double() - norms[rows]).tolist()
        return likely

    def inputs(self, trees: Sequence[PrefixTree], length: int) -> dict[str, object]:
        """Padded on the right: nothing after a token reaches it, so ordinary texts need no mask."""
        device = self.checkpoint.device
        ids = torch.zeros((len(trees), length), dtype=torch.long)
        for row, tree in enumerate(trees):
            ids[row, : len(tree)] = torch.tensor([token for _, token in tree.nodes], dtype=torch.long)
        if not any(tree.forks for tree in trees):
            return {"input_ids": ids.to(device), "attention_mask": torch.ones_like(ids, device=device)}
        sees = torch.from_numpy(np.stack([tree.sees(length) for tree in trees]))
        depths = sees.sum(-1) - 1
        return {
            "input_ids": ids.to(device),
            "position_ids": depths.to(device),
            "attention_mask": self.masks(sees, depths),
        }

    def masks(self, sees: torch.Tensor, depths: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        """What each token sees, as the architecture takes it: one mask, or one for each kind of layer."""
        full, window = self.additive(sees), self.checkpoint.window
        if window is None or int(depths.max()) < window:
            return full
        near = self.additive(sees & (depths[:, :, None] - depths[:, None, :] < window))
        return {"full_attention": full, "sliding_attention": near} if self.checkpoint.layers else near

    def additive(self, sees: torch.Tensor) -> torch.Tensor:
        """A mask to add to the attention scores: eager attention knows no other."""
        dtype = self.checkpoint.model.dtype
        hidden = torch.full(sees.shape, torch.finfo(dtype).min, dtype=dtype)
        return hidden.masked_fill(sees, 0)[:, None].to(self.checkpoint.device)

    def shares(self) -> bool:
        """Whether this architecture scores a tree as it scores texts one by one; found by doing both.

        It fails where position comes from the place in the row (ALiBi) or from the tokens read before (Mamba).
        """
        if not self.checkpoint.layers <= SLIDING:
            return False
        pair = lines(self.checkpoint, 0, CANARY)
        alone = [likelihood for line in pair for _, likelihood in self.forward([PrefixTree([line])])]
        try:
            together = [likelihood for _, likelihood in self.forward([PrefixTree(pair)])]
        except (RuntimeError, ValueError, TypeError, IndexError):
            return False
        tolerance = 1e-3 if self.checkpoint.model.dtype == torch.float32 else 0.1
        return all(abs(a.total - b.total) <= tolerance * a.tokens for a, b in zip(alone, together, strict=True))
