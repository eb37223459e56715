"""What judges and people say of pairs of answers, and how far they agree: what is stored of it."""

from typing import Literal

from pydantic import Field

from profiler.records import How, Record

Winner = Literal["a", "b", "tie"]


class Pair(Record):
    """Two answers to one prompt, and what people said of them."""

    id: str
    prompt: str = ""
    a: str = ""
    b: str = ""
    writer_a: str | None = None
    """Who wrote answer a, where that is known."""
    writer_b: str | None = None
    humans: dict[str, Winner] = Field(default={})
    """Annotator → the better answer."""
    group: str | None = None
    cluster: str | None = None
    """Pairs of one cluster are resampled together; None for pairs of one prompt."""


class Ruling(Record):
    """What a judge said of a pair in one order."""

    order: Literal["ab", "ba"] | None
    """Which answer was shown first; None for a judge that was shown one at a time."""
    winner: Winner | None = None
    """The better answer by its name, wherever it was shown; None where the verdict could not be read."""
    shares: tuple[float, ...] = ()
    """Probability of a, of b, and of a tie where one was offered; empty where the instrument gives none."""
    text: str = ""
    """What the judge wrote."""
    error: str | None = None
    """Why the judge said nothing: a failure of the endpoint, never a tie."""


class Judgement(Record):
    """A judge's rulings on one pair: one row of a verdict file."""

    pair: Pair
    judge: str
    how: How
    template: str
    """The prompt's name and digest."""
    rulings: tuple[Ruling, ...]


class RaterVerdict(Record):
    """What one rater said of a pair: a, b, tie, unparseable or absent, by the answers' own names in either order."""

    rater: str
    human: bool
    first: str
    """With the answers as they are."""
    swapped: str
    """With the answers in the other order."""
    verdict: str
    """In both orders together: an answer where both say so, else a tie."""


class JudgedPair(Record):
    """A pair, and what everybody said of it."""

    pair: Pair
    verdicts: tuple[RaterVerdict, ...]
    differ: bool
    """Whether two raters who could be read say different things."""
    flips: tuple[str, ...]
    """Judges that say another thing once the answers are swapped."""


class Rater(Record):
    """Someone whose labels are compared."""

    name: str
    kind: Literal["judge", "human", "reference"]
    labels: int
    """Labels that could be read, over all orders."""
    a: int
    """Labels for answer a, over all orders."""
    b: int
    ties: int
    unparseable: int = 0
    """Verdicts that name no answer; they are counted and never guessed at."""
    failed: int = 0
    """Verdicts that the endpoint failed to give."""
    orders: Literal[1, 2] = 1
    reading: str = "first"
    """Which reading of its verdicts is compared with others': first, swapped, both or averaged."""
    related: tuple[str, ...] = ()
    """Writers that it comes from, or that come from it."""


class AnswerWriter(Record):
    """Who wrote answers."""

    name: str
    answers: int
    characters: float | None
    """How long they are on average, over pairs; None where no texts are known."""


class Agreement(Record):
    """One number about a rater, with its interval."""

    rater: str
    against: str | None = None
    """Whom it is compared with; None for what it does by itself."""
    reading: str | None = None
    """first: the answers as they are; swapped; both: a win only where both orders say so; averaged over both."""
    metric: str
    group: str | None = None
    """The pairs' group or difference in length; of a win rate, whose answers win."""
    value: float | None
    low: float | None = None
    high: float | None = None
    stderr: float | None = None
    """The standard deviation of the draws that the interval is read from; of `lc_win_rate`, its fit's."""
    n: int
    """Pairs that it rests on."""
    reason: str | None = None


class PreferenceShift(Record):
    """How a student's agreement with another rater changed by training, on pairs that all three could be read on."""

    student: str
    before: str
    """The judge that the student was before it was trained."""
    teacher: str
    against: str
    """Whom both are compared with: its teacher, another's, or the humans."""
    metric: str
    base: float | None
    """Before training."""
    base_low: float | None = None
    base_high: float | None = None
    other: float | None
    """After training."""
    other_low: float | None = None
    other_high: float | None = None
    absolute: float | None
    low: float | None = None
    """Lower end of the paired 95 % bootstrap interval of the change."""
    high: float | None = None
    n: int
    reason: str | None = None


class Jury(Record):
    """Raters of the same pairs, and how far they agree."""

    pairs: int
    prompts: int
    reference: str | None
    """What verdicts are compared with: a human's label, or the majority of several."""
    raters: tuple[Rater, ...]
    writers: tuple[AnswerWriter, ...] = ()
    numbers: tuple[Agreement, ...]
    shifts: tuple[PreferenceShift, ...] = ()
    """What training did to the agreement of students, those first that agree with humans the most."""
    notes: tuple[str, ...] = ()
    """What a reader must know before the numbers."""
    resamples: int = 1000
    seed: int = 0
