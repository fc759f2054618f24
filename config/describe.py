"""What every setting means, read from the schema itself: bounds from the types, words from the docstrings."""

import ast
import inspect
import itertools
import json
import sys
import typing
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Literal

import msgspec

from config.base import Section
from config.schema import Settings
from config.strategies import StrategySettings

_KINDS: dict[object, str] = {
    float: "a number",
    int: "a whole number",
    str: "text",
    bool: "true or false",
    dict: "a table",
}


class FieldDoc(msgspec.Struct, frozen=True, kw_only=True):
    """One setting in words.

    Attributes:
        key: Dotted name; `strategies.*.NAME` stands for that field of every strategy.
        bound: What it must be, in words.
        text: Meaning, unit, consequence and source.
    """

    key: str
    bound: str
    text: str


def bound_text(kind: object) -> str:
    """Say in words what a value of this type must be: "a number > 0 and <= 1"."""
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin is Annotated:
        limits = [text for meta in arguments[1:] if isinstance(meta, msgspec.Meta) for text in _limits(meta)]
        return " ".join([bound_text(arguments[0]), " and ".join(limits)]).rstrip()
    if origin is Literal:
        return "one of " + ", ".join(str(argument) for argument in arguments)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"a list, each {bound_text(arguments[0])}"
        return f"a list of {len(arguments)}, each {bound_text(arguments[0])}"
    return _KINDS.get(origin or kind, "a table")


def _limits(meta: msgspec.Meta) -> Iterator[str]:
    for sign, limit in ((">", meta.gt), (">=", meta.ge), ("<", meta.lt), ("<=", meta.le)):
        if limit is not None:
            yield f"{sign} {limit}"
    if meta.max_length is not None:
        yield f"of at most {meta.max_length} characters"
    if meta.pattern is not None:
        yield f"like {meta.pattern}".replace("\\Z", "$")


def is_text(kind: object) -> bool:
    """Whether a value of this type is text (or one of some words)."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return is_text(arguments[0])
    return kind is str or (origin is Literal and all(isinstance(word, str) for word in arguments))


def sections() -> dict[str, type[Section]]:
    """Every section but the strategies, by name, in schema order."""
    return {
        field.name: field.type for field in msgspec.structs.fields(Settings) if field.name != "strategies"
    }


def field_docs() -> list[FieldDoc]:
    """Every setting in words, in schema order."""
    described: list[FieldDoc] = []
    documented: dict[str, type[Section]] = {**sections(), "strategies.*": StrategySettings}
    for name, section in documented.items():
        words = _docstrings(section)
        described.extend(
            FieldDoc(
                key=f"{name}.{field.encode_name}",
                bound=bound_text(field.type),
                text=words.get(field.name, ""),
            )
            for field in msgspec.structs.fields(section)
        )
    return described


@cache
def _docstrings(section: type[Section]) -> dict[str, str]:
    """The text under each field of a section, on one line."""
    module = ast.parse(inspect.getsource(sys.modules[section.__module__]))
    body = next(
        node.body for node in module.body if isinstance(node, ast.ClassDef) and node.name == section.__name__
    )
    found: dict[str, str] = {}
    for field, below in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(below.value.value).split())
    return found


def toml_value(value: Any) -> str:
    """Write one value as TOML."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml_value(item)}" for name, item in value.items()) + " }"
    if isinstance(value, bool | str):
        return json.dumps(value)
    return repr(value)
