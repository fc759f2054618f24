"""Which values a strategy's parameters may take, and which of them research may try."""

import difflib
import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

Value = bool | int | float | str


class ParameterError(ValueError):
    """A strategy was given a parameter it does not have or a value it cannot take."""


class ParameterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One tunable parameter (strategies 1).

    Attributes:
        low, high: Bounds, included. step: grid that research stays on.
        log: Whether research draws on a logarithmic scale.
        choices: Valid values of a `choice`.
        also: Values outside the bounds that a person may set (0 to switch a filter off); never tried.
    """

    name: str
    kind: Literal["int", "float", "bool", "choice"]
    default: Value
    low: float = 0.0
    high: float = 1.0
    step: float = 0.0
    log: bool = False
    choices: tuple[Value, ...] = ()
    also: tuple[float, ...] = ()
    unit: str = ""
    help: str = ""

    def check(self, value: object) -> None:
        """Raise `ParameterError` if the parameter cannot take the value."""
        if self.kind == "bool":
            if not isinstance(value, bool):
                raise ParameterError(f"{self.name} must be true or false, was {value!r}")
        elif self.kind == "choice":
            if value not in self.choices:
                valid = ", ".join(repr(choice) for choice in self.choices)
                raise ParameterError(f"{self.name} must be one of {valid}, was {value!r}")
        else:
            self._check_number(value)

    def _check_number(self, value: object) -> None:
        whole = self.kind == "int"
        kinds = int if whole else int | float
        if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
            raise ParameterError(f"{self.name} must be {'a whole' if whole else 'a'} number, was {value!r}")
        if not self.low <= value <= self.high and value not in self.also:
            unit = f" {self.unit}" if self.unit else ""
            raise ParameterError(
                f"{self.name} must be between {self.low:g} and {self.high:g}{unit}, was {value:g}"
            )

    def quantise(self, value: float) -> Value:
        """Nearest value on the grid within the bounds: low + round((x - low) / step) step."""
        if self.kind == "bool":
            return bool(value)
        if self.kind == "choice":
            raise ParameterError(f"{self.name} is a choice: there is nothing between its values")
        near = min(max(float(value), self.low), self.high)
        if self.step:
            steps = min(
                round((near - self.low) / self.step), math.floor((self.high - self.low) / self.step + 1e-9)
            )
            near = self.low + steps * self.step
        return round(near) if self.kind == "int" else round(near, 12)


def validate(specs: Iterable[ParameterSpec], params: Mapping[str, object]) -> dict[str, Value]:
    """Check given parameters and fill in the defaults of those not given.

    Raises:
        ParameterError: One is unknown (the nearest valid name is told) or out of range.
    """
    known = {spec.name: spec for spec in specs}
    for name in params:
        if name not in known:
            raise unknown(name, known)
    checked: dict[str, Value] = {}
    for name, spec in known.items():
        value = params.get(name, spec.default)
        spec.check(value)
        checked[name] = value  # type: ignore[assignment]  # check has just narrowed it
    return checked


def unknown(name: str, valid: Iterable[str]) -> ParameterError:
    """The error for a parameter that does not exist, with the nearest that does."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"valid names: {', '.join(names) or 'none'}"
    return ParameterError(f"unknown parameter {name!r}: {hint}")


def params_hash(params: Mapping[str, Any] | msgspec.Struct) -> str:
    """SHA-256 (hex) of the parameters' JSON with sorted keys."""
    plain = msgspec.to_builtins(params)
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()
