"""Any message of any type, made from the types' own annotations."""

import types
import typing
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from runtime.messages.base import Message
from runtime.messages.codec import MESSAGES
from runtime.messages.market import Columns

_INTS = st.integers(-(2**63), 2**63 - 1)
_FLOATS = st.floats(allow_nan=False)  # a NaN field is unequal to itself; columns compare NaNs by place
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_BASIC: dict[Any, st.SearchStrategy[Any]] = {
    int: _INTS,
    float: _FLOATS,
    str: _TEXT,
    bool: st.booleans(),
    bytes: st.binary(max_size=16),
    type(None): st.none(),
}


def _of(hint: Any) -> st.SearchStrategy[Any]:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if hint in _BASIC:
        return _BASIC[hint]
    if origin is Annotated:  # the only bound in use is "not negative"
        return st.integers(0, 2**31 - 1)
    if origin is Literal:
        return st.sampled_from(inside)
    if origin is types.UnionType or origin is typing.Union:
        return st.one_of([_of(each) for each in inside])
    if origin is dict:
        return st.dictionaries(_of(inside[0]), _of(inside[1]), max_size=3)
    if origin is tuple and inside[-1] is Ellipsis:
        return st.lists(_of(inside[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*[_of(each) for each in inside])
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return of_type(hint)
    raise NotImplementedError(f"no values are known for {hint}")


@st.composite
def _columns(draw: st.DrawFn, kind: type[Columns]) -> Columns:
    ids = sorted(draw(st.sets(st.integers(0, 2**31 - 1), max_size=6)))
    values = draw(hnp.arrays(np.float64, (7, len(ids)), elements=st.floats(allow_nan=True)))
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {
        name: draw(_of(hints[name])) for name in kind.__struct_fields__ if name not in ("ids", "values")
    }
    return kind.of(np.array(ids, dtype=np.int32), values, **fields)


def of_type(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Instances of one message type or of a struct inside one."""
    if issubclass(kind, Columns):
        return _columns(kind)
    hints = typing.get_type_hints(kind, include_extras=True)
    return st.builds(kind, **{name: _of(hints[name]) for name in kind.__struct_fields__})


def below(base: type[Message]) -> list[type[Message]]:
    """Every concrete type of a branch."""
    return [kind for kind in MESSAGES if issubclass(kind, base)]


def of_branch(base: type[Message]) -> st.SearchStrategy[Any]:
    """Instances of every type of a branch."""
    return st.one_of([of_type(kind) for kind in below(base)])
