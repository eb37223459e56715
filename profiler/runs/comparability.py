"""Whether two profiles can be compared: the settings that forbid it, and those that only differ."""

from collections.abc import Mapping

from profiler.probes import forms_of
from profiler.records import Profile, Section

Value = str | int | float | bool | None | tuple[str, ...]


def refusals(base: Profile, other: Profile) -> dict[str, str]:
    """Probe → why its numbers can't be compared; a probe that is not named here can be compared."""
    left, right = sections(base), sections(other)
    # A chat template asks another question than plain text does.
    asked = _changed("asked", *("by chat" if side.endpoint.chat else "by completion" for side in (base, other)))
    found = {}
    for probe in dict.fromkeys([*left, *right]):
        if probe not in right:
            found[probe] = f"only the base was asked it{_another_form(probe, right)}"
        elif probe not in left:
            found[probe] = f"only the other was asked it{_another_form(probe, left)}"
        elif why := [*asked, *_mismatches(left[probe], right[probe])]:
            found[probe] = "; ".join(why)
    return found


def differences(base: Profile, other: Profile) -> list[str]:
    """What differs without making the two sides incomparable: it may be why a number moved."""
    left, right = sections(base), sections(other)
    found = []
    if base.fingerprint.id != other.fingerprint.id:
        found += _changed("weights", *(f"{side.endpoint.answering} ({side.fingerprint.id})" for side in (base, other)))
    found += _changed("reached at", *(side.endpoint.place for side in (base, other)))
    for probe in left:
        if probe in right:
            sampling = (side[probe].sampling for side in (left, right))
            found += _fields(probe, *(asked.model_dump() if asked else {} for asked in sampling))
    return found + _fields("version of", base.versions, other.versions)


def sections(profile: Profile) -> dict[str, Section]:
    return {section.probe: section for section in profile.sections}


def _another_form(probe: str, asked: Mapping[str, Section]) -> str:
    """The other form of a probe that the other side was asked, lest someone compares the two."""
    others = [name for name in forms_of(probe) if name in asked]
    return f"; the other side was asked {', '.join(others)}, another instrument" if others else ""


def _mismatches(base: Section, other: Section) -> list[str]:
    # Enough of a hash to tell two files apart by eye.
    data = ({name: digest[:12] for name, digest in side.data.items()} for side in (base, other))
    return [
        *_changed("probe version", base.version, other.version),
        *_changed("read by", base.how, other.how),
        *_changed("suite", base.suite, other.suite),
        *_fields("data", *data),
        *_fields("setting", base.settings, other.settings),
    ]


def _fields(what: str, base: Mapping[str, Value], other: Mapping[str, Value]) -> list[str]:
    names = dict.fromkeys([*base, *other])
    return [line for name in names for line in _changed(f"{what} {name}", base.get(name), other.get(name))]


def _changed(what: str, base: Value, other: Value) -> list[str]:
    return [] if base == other else [f"{what}: {_said(base)} → {_said(other)}"]


def _said(value: Value) -> str:
    match value:
        case None:
            return "none"
        case tuple():
            return ", ".join(map(repr, value)) or "none"
        case str():
            return value if value and value == value.strip() and "\n" not in value else repr(value)
        case _:
            return f"{value:g}" if isinstance(value, float) else str(value)
