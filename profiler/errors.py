"""The errors that a user can meet.

InheritError              something we can name went wrong            exit 1
├── WrongUse              the request itself can't be meant          exit 2
│   ├── UnknownName       no such metric, probe, run: did you mean …
│   ├── BadData           a file that is not what was expected
│   │   └── NotAtHand     an official file that lies nowhere and could not be fetched
│   └── NotComparable     two profiles that did not ask the same
├── MissingExtra          an optional part is not installed
├── EndpointError         a request that failed
│   ├── Refused           the server said no (400, 401, …): asking again is useless
│   ├── Unreadable        the server answered, but not what was asked for
│   └── EndpointDown      it failed again and again: the run stops, and can be resumed
├── FetchFailed           an official file could not be downloaded
│   └── Unreachable       its host does not answer, or connections are forbidden
├── ServerFailed          a server that we start for a model does not run
├── TrainingFailed        a training that we start ends before it is over
├── WeightsChanged        another model stands behind the same name
└── StoreError            disk full, folder read-only, cache from a newer version
CheckFailed               a guard such as `--fail-on worse` was hit   exit 3
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class InheritError(Exception):
    """Base of what we raise on purpose: its message is one clear sentence, shown without a traceback."""

    exit_code = 1


class WrongUse(InheritError):
    """The request can't be meant."""

    exit_code = 2


class UnknownName(WrongUse):
    """A name that nothing goes by."""

    def __init__(self, kind: str, name: str, known: Iterable[str], listing: str) -> None:
        near = get_close_matches(name, list(known), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(f"no {kind} {name!r}; {hint}`{listing}` lists them")


class BadData(WrongUse):
    """A file that is not what was expected."""


class NotAtHand(BadData):
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
    """The server said no; asking again is useless."""


class Unreadable(EndpointError):
    """The server answered, but not what was asked for."""


class EndpointDown(EndpointError):
    """The endpoint failed again and again; what it answered is kept, and the run can be resumed."""


class FetchFailed(InheritError):
    """An official file could not be downloaded."""


class Unreachable(FetchFailed):
    """Its host does not answer, or connections are forbidden."""


class ServerFailed(InheritError):
    """A server that we start for a model does not run; the message says why."""


class TrainingFailed(InheritError):
    """A training that we start ended before it was over."""


class WeightsChanged(InheritError):
    """Another model stands behind the same name."""


class StoreError(InheritError):
    """The disk, the folder or the cache can't be used."""


class CheckFailed(InheritError):
    """A guard that the user set was hit."""

    exit_code = 3
