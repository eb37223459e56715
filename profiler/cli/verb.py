"""A verb's options are the fields of one record: on the command line, or in a file (`inherit VERB @FILE`)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args, get_origin, get_type_hints

import typer

from profiler.cli.console import Service
from profiler.cli.help import HelpfulCommand

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from profiler.records import Flag, Record

Act = Callable[..., None]
"""What a verb does: a function of its record, and of what only the command line knows, such as --json."""

SERVED = ("profile", "compare", "score", "judge", "agree", "sample", "select", "study")
"""Commands that a service has jobs for."""
FILE = "@"
"""What stands before the name of a file of options."""
BOUNDS = {"ge": "min", "le": "max"}
"""A field's bound → Typer's name of it."""


class VerbCommand(HelpfulCommand):
    """A command that knows its options once somebody asks for them: the list of commands is shown without."""

    act: Act
    path: str

    @cached_property
    def record(self) -> type[Record]:
        """What the command can be told; its options are made of it."""
        from profiler.plugins import imported

        record = cast("type[Record]", imported(self.path))
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(self.name)(spelled(type(self).act, record))
        made = typer.main.get_command(app)
        self.params, self.callback = made.params, made.callback
        return record

    def get_params(self, ctx: Any) -> Any:
        _ = self.record  # whose first use brings the options
        return super().get_params(ctx)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        if args and args[0].startswith(FILE):
            extra["default_map"] = from_file(Path(args[0].removeprefix(FILE)), self.record)
            args = args[1:]
        return super().make_context(info_name, args, parent, **extra)


def add(app: typer.Typer, function: Act, record: str, purpose: str) -> None:
    """Make FUNCTION a command of APP for a PURPOSE; the RECORD at this path is imported when it is needed."""

    class Verb(VerbCommand):
        act = staticmethod(function)
        path = record

    def stub() -> None: ...

    stub.__doc__ = function.__doc__
    app.command(function.__name__.replace("_", "-"), cls=Verb, rich_help_panel=purpose)(stub)


def spelled(act: Act, record: type[Record]) -> Act:
    """ACT as a function of the record's fields, each of them an option."""
    from profiler.cli import elsewhere
    from profiler.datasets import settings

    _, *others = inspect.signature(act).parameters.values()
    hints = get_type_hints(act, localns={record.__name__: record}, include_extras=True)
    known = record.model_fields
    own = [each.replace(kind=each.KEYWORD_ONLY, annotation=hints[each.name]) for each in others]
    if act.__name__ in elsewhere.VERBS:
        own += elsewhere.PARAMETERS
    usual = {each.name: each.default for each in own}

    def run(service: str | None = None, **given: object) -> None:
        fields = {name: value for name in known if (value := given.pop(name)) is not None}
        told = settings.checked(
            record, fields, f"inherit {act.__name__}", lambda name: written(name, known[name]).names[0]
        )
        if service is None:
            if act.__name__ in elsewhere.VERBS and elsewhere.done(act.__name__, told, given, usual):
                return None
            return act(told, **given)
        from profiler.cli import follow

        asked = {name: value for name, value in given.items() if value != usual[name]}
        return follow.follow(service, act.__name__, told.model_dump(mode="json", exclude_defaults=True), asked)

    parameters = [parameter(name, field) for name, field in known.items()]
    if act.__name__ in SERVED:
        own.append(inspect.Parameter("service", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Service))
    run.__signature__ = inspect.Signature([*parameters, *own])  # type: ignore[attr-defined]
    run.__doc__ = act.__doc__
    return run


def parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    """A field as Typer understands it."""
    about: dict[str, Any] = {"help": " ".join((field.description or "").split())}
    for each in field.metadata:
        about |= {ours: bound for theirs, ours in BOUNDS.items() if (bound := getattr(each, theirs, None)) is not None}
    kind, default = plain(field.annotation), field.get_default(call_default_factory=True)
    if isinstance(default, tuple | list):
        default = [*default] or None
    flag = written(name, field)
    info = typer.Argument(**about) if flag.argument else typer.Option(*flag.names, **about)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if field.is_required() else default,
        annotation=Annotated[kind if field.is_required() or default is not None else kind | None, info],
    )


def written(name: str, field: FieldInfo) -> Flag:
    """How the command line writes a field."""
    from profiler.records import Flag

    told = next((each for each in field.metadata if isinstance(each, Flag)), Flag())
    usual = name.upper() if told.argument else f"--{name.replace('_', '-')}"
    return told._replace(names=told.names or (usual,))


def plain(annotation: Any) -> Any:
    """The type of an option: what may be left out is not said again, several are a list."""
    rest = [each for each in get_args(annotation) if each not in (NoneType, ...)]
    if get_origin(annotation) is tuple:
        return list[plain(rest[0])]  # type: ignore[misc]
    if NoneType in get_args(annotation) and len(rest) == 1:
        return plain(rest[0])
    return str if str in rest else annotation


def from_file(path: Path, record: type[Record]) -> Mapping[str, object]:
    """The options that a file holds."""
    from profiler.datasets import settings

    given = settings.load(path)
    settings.refuse_unknown(f"option in {path}", given, record, "--help")
    return given
