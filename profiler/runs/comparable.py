"""What two profiles must share to be compared, and what may differ and explain a change."""

from __future__ import annotations

from collections.abc import Mapping

from profiler.probes.forms import kin
from profiler.records import Profile, Section

Value = str | int | float | bool | None | tuple[str, ...]


def refusals(base: Profile, other: Profile) -> dict[str, str]:
    """Probe → why its numbers can't be held against each other; a probe that is not named here can be compared."""
    left, right = sections(base), sections(other)
    found = {}
    for probe in dict.fromkeys([*left, *right]):
        if probe not in right:
            found[probe] = f"only the base was asked it{_kin(probe, right)}"
        elif probe not in left:
            found[probe] = f"only the other was asked it{_kin(probe, left)}"
        elif why := [*_way_of_asking(base, other), *_mismatches(left[probe], right[probe])]:
            found[probe] = "; ".join(why)
    return found


def differences(base: Profile, other: Profile) -> list[str]:
    """What differs without making the two sides incomparable: it may be why a number moved."""
    left, right = sections(base), sections(other)
    found = []
    if base.fingerprint.id != other.fingerprint.id:
        found += _changed("weights", _weights(base), _weights(other))
    found += _changed("reached at", *(side.endpoint.place for side in (base, other)))
    for probe in left:
        if probe in right:
            found += _fields(probe, _sampling(left[probe]), _sampling(right[probe]))
    return found + _fields("version of", base.versions, other.versions)


def sections(profile: Profile) -> dict[str, Section]:
    return {section.probe: section for section in profile.sections}


def _kin(probe: str, asked: Mapping[str, Section]) -> str:
    """The other form of a probe that the other side was asked, lest someone holds the two against each other."""
    others = [name for name in kin(probe) if name in asked]
    return f"; the other side was asked {', '.join(others)}, another instrument" if others else ""


def _way_of_asking(base: Profile, other: Profile) -> list[str]:
    """A chat template asks another question than plain text does."""
    return _changed("asked", *("by chat" if side.endpoint.chat else "by completion" for side in (base, other)))


def _mismatches(base: Section, other: Section) -> list[str]:
    return [
        *_changed("probe version", base.version, other.version),
        *_changed("read by", base.how, other.how),
        *_changed("suite", base.suite, other.suite),
        *_fields("data", _short(base.data), _short(other.data)),
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


def _short(data: Mapping[str, str]) -> dict[str, str]:
    """Enough of a hash to tell two files apart by eye."""
    return {name: digest[:12] for name, digest in data.items()}


def _weights(profile: Profile) -> str:
    return f"{profile.endpoint.model} ({profile.fingerprint.id})"


def _sampling(section: Section) -> Mapping[str, Value]:
    return section.sampling.model_dump() if section.sampling else {}
