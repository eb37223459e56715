"""The errors that a user can meet: what is raised on purpose, and the exit code that it ends the command with."""

from collections.abc import Iterable
from difflib import get_close_matches

FAILED = 0.1
"""Share of what was asked that may fail in work that counts as whole."""

UNSEEN = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
"""Control characters, which a terminal would obey → how they are written."""


def visible(words: str) -> str:
    """Words that may be others', as a terminal can show them: nothing in them moves its cursor or is lost."""
    return words.translate(UNSEEN).encode("utf-8", "replace").decode("utf-8")


class InheritError(Exception):
    """Base of what we raise on purpose: its message is one clear sentence, shown without a traceback."""

    exit_code = 1


class WrongUse(InheritError):
    """The request can't be meant."""

    exit_code = 2


class UnknownName(WrongUse):
    """A name that nothing goes by: no such metric, probe, run."""

    def __init__(self, kind: str, name: str, known: Iterable[str], listing: str) -> None:
        near = get_close_matches(name, list(known), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(f"no {kind} {name!r}; {hint}`{listing}` lists them")


class BadData(WrongUse):
    """A file that is not what was expected."""


class NotAvailable(BadData):
    """An official file that lies nowhere and could not be fetched."""


class NotComparable(WrongUse):
    """Two profiles that did not ask the same thing in the same way."""


class MissingExtra(InheritError):
    """An optional part is not installed."""

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(f"{what} needs the extra {extra!r}: pip install 'inheritance-profiler[{extra}]'")
        self.extra = extra


class EndpointError(InheritError):
    """A request to a model failed."""


class Refused(EndpointError):
    """The server said no (400, 401, …); asking again is useless."""


class Unreadable(EndpointError):
    """The server answered, but not what was asked for."""


class EndpointDown(EndpointError):
    """The endpoint failed again and again; what it answered is kept, and the run can be resumed."""


class FetchFailed(InheritError):
    """An official file could not be downloaded."""


class Unreachable(FetchFailed):
    """Its host does not answer, or connections are forbidden."""


class StagesFailed(InheritError):
    """Stages of a study failed; what does not need them is done."""

    def __init__(self, words: str, codes: Iterable[int]) -> None:
        super().__init__(words)
        self.exit_code = min(codes)


class ServerFailed(InheritError):
    """A server that we start for a model does not run; the message says why."""


class TrainingFailed(InheritError):
    """A training that we start ended before it was over."""


class WeightsChanged(InheritError):
    """Another model stands behind the same name."""


class StoreError(InheritError):
    """The disk, the folder or the cache can't be used."""


class Incomplete(InheritError):
    """Too much of what was asked failed; what was answered is kept, and the same command resumes from there."""

    exit_code = 4

    @classmethod
    def of(cls, failed: str, last: str | None = None) -> "Incomplete":
        """What FAILED, how much of it, and why it did last."""
        why = f"; the last: {last}" if last else ""
        return cls(
            f"incomplete: more than {FAILED:.0%} failed: {failed}{why}. "
            "What was answered is kept: run the same command again to resume"
        )


class CheckFailed(InheritError):
    """A guard that the user set was hit, such as `--fail-on worse`."""

    exit_code = 3
