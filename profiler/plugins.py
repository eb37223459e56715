"""What a word leads to: a dotted path, an installed package's entry point, an order with options."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from profiler.errors import UnknownName, WrongUse


def imported(path: str) -> object:
    """What stands at `package.module:name`."""
    module, _, name = path.partition(":")
    try:
        found: object = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError, SyntaxError) as error:
        raise WrongUse(f"no function at {path!r}: {error}") from error
    return found


@cache
def import_all(package: str) -> None:
    """Import every module of PACKAGE, whose decorators then register what is in them."""
    for module in pkgutil.iter_modules(import_module(package).__path__):
        import_module(f"{package}.{module.name}")


@cache
def installed(group: str) -> Mapping[str, EntryPoint]:
    """What installed packages bring under the entry points of GROUP, by name."""
    return {entry.name: entry for entry in entry_points(group=group)}


def about(thing: object) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(thing) or "").partition("\n")[0]


@dataclass(frozen=True)
class PluginSpec:
    """What a user asks for in one word: `KIND[:WHAT][,OPTION=VALUE…]`."""

    text: str
    kind: str
    what: str
    options: Mapping[str, str]

    @classmethod
    def read(cls, text: str) -> PluginSpec:
        head, *rest = text.split(",")
        kind, _, what = head.partition(":")
        options = {}
        for part in rest:
            option, equals, value = part.partition("=")
            if not option or not equals or not value:
                raise WrongUse(f"scorer {text!r}: expected OPTION=VALUE behind the comma, found {part!r}")
            options[option] = value
        return cls(text, kind, what, options)

    def only(self, *known: str) -> None:
        """Refuse an option that this kind does not have."""
        if strange := [option for option in self.options if option not in known]:
            raise UnknownName(f"option of scorer {self.kind!r}", strange[0], known, "inherit ls scorers")
