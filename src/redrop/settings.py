"""How the settings of a run grow and shrink without making any earlier run another one.

An id is a hash of a run's settings as JSON. So that a release adds settings and no id changes, a setting
that comes later is declared with ``added(default)`` and stands in the JSON only where a run does not have
it at that default. What a section of settings has besides its own fields because of the part that it names
(an optimiser, a schedule, a method) is declared by that part's file as ``Option``s, under the same rule.

A setting that said how a run is computed, not what it is, can be retired: its class lists it in ``RETIRED``
with the value that it keeps in the JSON. Any value of it is read and forgotten. A setting that changes what
is trained stays a field as long as there are records that have it; training may refuse it.

Read by the Snakefile in every job: standard library only.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from redrop.checks import check_choice, check_range, suggest
from redrop.errors import ConfigError

ADDED = {"added": True}


def added(default: Any) -> Any:
    """A dataclass field that came later: at ``default``, a run has the id that it had without it."""
    if isinstance(default, Mapping):
        return dataclasses.field(default_factory=Options, metadata=ADDED)
    return dataclasses.field(default=default, metadata=ADDED)


class Options(dict):
    """Settings of one part beyond the fields of its section, by name; not changed once it is made."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


@dataclass(frozen=True)
class Option:
    """A setting that one part has, such as an optimiser's momentum; its type is its default's."""

    default: bool | int | float | str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    """What a text may be; empty: any."""

    def read(self, key: str, value: Any) -> Any:
        """``value`` as this option holds it; raises ``ConfigError`` naming ``key`` and what is allowed."""
        value = coerce(key, value, type(self.default))
        if self.choices or not isinstance(value, (str, bool)):
            Limits(self.low, self.high, self.choices).check(key, value)
        return value


class Limits:
    """What a setting may be, in its annotation: null, a number in [low, high], or one of ``choices``."""

    def __init__(self, low: float = 0, high: float = math.inf, choices: Collection[str] = ()) -> None:
        self.low, self.high, self.choices = low, high, choices

    def check(self, key: str, value: Any) -> None:
        """Raise ``ConfigError`` naming ``key`` and what is allowed."""
        if value is None:
            return
        if self.choices:
            check_choice(key, value, self.choices)
        else:
            check_range(key, value, self.low, self.high)


def one_of(*choices: str) -> Any:
    """The annotation of a setting that is one of these words."""
    return Annotated[str, Limits(choices=choices)]


Count = Annotated[int, Limits(1)]
"""Of what there is at least one."""
Rate = Annotated[float, Limits(0.0, 1.0)]
"""A dropout rate, or another share of a whole."""
RateOrNull = Annotated[float | None, Limits(0.0, 1.0)]


class Section:
    """A section of a run's settings: a frozen dataclass whose values keep to what their annotations say."""

    SECTION: ClassVar[str]
    """Its name, which its keys begin with."""
    PART: ClassVar[tuple[str, Mapping[str, Any]] | None] = None
    """The field that names a part which has settings of its own, its ``OPTIONS``; and all such parts."""

    def __post_init__(self) -> None:
        for key, limits in _limits(type(self)).items():
            limits.check(f"{self.SECTION}.{key}", getattr(self, key))
        if self.PART is not None:
            key, parts = self.PART
            check_choice(f"{self.SECTION}.{key}", getattr(self, key), parts)

    @classmethod
    def known_options(cls, values: Mapping[str, Any]) -> dict[str, Option]:
        """Settings that the part named in ``values`` has beyond the fields; none of an unknown one."""
        key, parts = cls.PART
        name = values.get(key, getattr(cls, key, None))  # a field's default is the class's attribute
        return getattr(parts[name], "OPTIONS", {}) if isinstance(name, str) and name in parts else {}


@dataclass(frozen=True, kw_only=True)
class SectionWithPart(Section):
    """A section with a ``PART``."""

    options: Options = added({})
    """What the part can be set to besides; its file declares it."""


@functools.cache  # a config has thousands of specs, and reading annotations is slow
def _hints(cls: type, extras: bool = False) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=extras)


@functools.cache
def _limits(cls: type) -> dict[str, Limits]:
    annotated = {key: getattr(hint, "__metadata__", ()) for key, hint in _hints(cls, extras=True).items()}
    return {key: found[0] for key, found in annotated.items() if found}


def to_dict(value: Any) -> dict[str, Any]:
    """The settings of a dataclass as plain values; those added later only where they differ from default."""
    plain: dict[str, Any] = copy.deepcopy(getattr(value, "RETIRED", {}))
    for field in dataclasses.fields(value):
        own = getattr(value, field.name)
        if isinstance(own, Options):
            plain |= own
        elif not field.metadata.get("added") or own != field.default:
            plain[field.name] = to_dict(own) if dataclasses.is_dataclass(own) else own
    return plain


def build(cls: type, values: Any, prefix: str = "", choose: Mapping[str, type] | None = None) -> Any:
    """Build dataclass ``cls`` from a mapping, checked by its annotations; ``choose``: classes of sections.

    A class with a field of ``Options`` says what may stand beside its fields: ``known_options``.
    """
    where = prefix.rstrip(".") or "run spec"
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: {values!r} is not a mapping of settings")
    hints = _hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if hints[field.name] is not Options}
    holder = next((name for name, kind in hints.items() if kind is Options), None)
    known = {} if holder is None else cls.known_options(values)
    retired = getattr(cls, "RETIRED", {})
    options = Options()
    made = {}
    for key, value in values.items():
        if key in known:
            value = known[key].read(prefix + key, value)
            if value != known[key].default:
                options[key] = value
        elif key not in fields and key not in retired:
            names = ", ".join(prefix + name for name in (*fields, *known))
            hint = suggest(key, [*fields, *known])
            raise ConfigError(f"{prefix}{key}: unknown setting (known: {names}){hint}")
    for key, field in fields.items():
        if key not in values:
            if field.default is dataclasses.MISSING:
                raise ConfigError(f"{prefix}{key}: missing")
            continue
        kind = (choose or {}).get(key, hints[key])
        if dataclasses.is_dataclass(kind):
            made[key] = build(kind, values[key], f"{prefix}{key}.")
        else:
            made[key] = coerce(f"{prefix}{key}", values[key], kind)
    return cls(**made) if holder is None else cls(**made, **{holder: options})


def coerce(key: str, value: Any, kind: Any) -> Any:
    """Return ``value`` as ``kind`` (so that 0 and 0.0 give one hash), or refuse it."""
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
        if not isinstance(value, (int, float, str)):
            raise ConfigError(f"{key}: {value!r} is not a {kind.__name__} or null")
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and not (math.isfinite(value) if isinstance(value, float) else abs(value) < 2**63):
        shown = value if isinstance(value, float) else "a number of so many digits"
        raise ConfigError(f"{key}: {shown} is out of range; it must be finite, and below 2**63 if whole")
    if kind is float and number:
        return float(value) + 0.0  # -0.0 is 0.0
    if kind is int and number and float(value).is_integer() and abs(value) < 2**63:
        return int(value)
    if kind in (bool, str) and isinstance(value, kind):
        return value
    raise ConfigError(f"{key}: {value!r} is not a {kind.__name__}{_remedy(value, kind)}")


def _remedy(value: Any, kind: type) -> str:
    """How YAML is told what was meant."""
    if kind is str and isinstance(value, (bool, int, float)):
        return "; put it in quotes: YAML reads it as something else"
    if kind in (int, float) and isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return ""
        if "e" not in value.lower():
            return "; leave out the quotes"
        # YAML 1.1 wants a point in the mantissa and a sign in the exponent.
        mantissa, _, exponent = f"{number:e}".partition("e")
        return f"; write {float(mantissa)}e{exponent}, without quotes"
    return ""
