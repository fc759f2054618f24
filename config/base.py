"""What all settings have in common: bounded types, refusal of unknown keys and of numbers that are none."""

import math
from typing import Annotated

import msgspec

Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
"""Share of a whole: 0.02 is two percent, never 2."""
PositiveFraction = Annotated[float, msgspec.Meta(gt=0, le=1)]
Usd = Annotated[float, msgspec.Meta(ge=0)]
PositiveUsd = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
WholeNumber = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Minutes = Annotated[float, msgspec.Meta(gt=0, le=10_080)]
Hours = Annotated[float, msgspec.Meta(gt=0, le=8_760)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
BasisPoints = Annotated[float, msgspec.Meta(ge=0, le=10_000)]
Multiplier = Annotated[float, msgspec.Meta(ge=0, le=10)]
FolderName = Annotated[
    str,
    msgspec.Meta(max_length=200, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*\Z"),
]
"""A folder below another one; nothing that leads out of it."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A topic of the settings; an actor gets its own section, never the whole."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            _refuse_non_finite(name, getattr(self, name))


def _refuse_non_finite(name: str, value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, was {value}")
    if isinstance(value, list | tuple):
        for item in value:
            _refuse_non_finite(name, item)
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_non_finite(f"{name}.{key}", item)
