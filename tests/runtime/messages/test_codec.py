import inspect
import typing

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.messages import account, base, broker, corporate, machine, market, reports, risk, trading
from runtime.messages.base import Command, Decision, Input, Message
from runtime.messages.broker import OrderAccepted, OrderChanged, OrderFilled, SubmitOrder
from runtime.messages.codec import MESSAGES, decode, encode, encode_into
from runtime.messages.market import Bars, BarsRevised, Columns
from runtime.messages.trading import LotChanged, OrderProposed, PositionChanged, SignalRaised
from tests.runtime.messages.made import of_type

BY_POSITION = (
    SignalRaised,
    OrderProposed,
    SubmitOrder,
    OrderAccepted,
    OrderChanged,
    OrderFilled,
    LotChanged,
    PositionChanged,
)
"""Those, and what is made of them, may be made by position."""


def bars(values: list[list[float]]) -> Bars:
    return Bars.of(list(range(len(values[0]))), values, ts_event=60)


def test_every_message_type_of_the_modules_is_in_the_union() -> None:
    defined = {
        kind
        for module in (account, broker, corporate, machine, market, reports, risk, trading)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Message) and kind.__module__ == module.__name__
    }
    assert defined - {Columns} == set(MESSAGES)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_message_comes_back_equal_and_of_its_type(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(of_type(kind))
    back = decode(encode(message))
    assert type(back) is kind
    assert back == message
    assert encode(back) == encode(message)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_every_message_is_frozen_and_tagged_by_its_name(kind: type[Message]) -> None:
    config = kind.__struct_config__
    assert config.frozen
    assert config.array_like
    assert config.tag == kind.__name__


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_beyond_time_and_cause_only_what_is_made_for_every_order_takes_fields_by_position(
    kind: type[Message],
) -> None:
    shared = 2 if issubclass(kind, Decision) else 1
    wanted = "Missing required argument" if issubclass(kind, BY_POSITION) else "Extra positional arguments"
    with pytest.raises(TypeError, match=wanted):
        kind(*range(shared + 1))  # type: ignore[call-arg, misc]


@settings(max_examples=10)
@given(st.sampled_from(MESSAGES).flatmap(of_type))
def test_no_field_of_a_message_can_be_set(message: Message) -> None:
    with pytest.raises(AttributeError):
        message.ts_event = 1  # type: ignore[misc]


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_the_time_of_a_message_comes_first_and_the_cause_of_a_decision_second(kind: type[Message]) -> None:
    assert kind.__struct_fields__[0] == "ts_event"
    if issubclass(kind, Decision):
        assert kind.__struct_fields__[1] == "cause"


@pytest.mark.parametrize("kind", [k for k in MESSAGES if k.address], ids=lambda kind: kind.__name__)
def test_an_address_names_a_text_field_of_the_message(kind: type[Message]) -> None:
    assert typing.get_type_hints(kind)[kind.address] is str


def test_inputs_and_decisions_are_different_branches_and_commands_are_decisions() -> None:
    assert not [kind for kind in MESSAGES if issubclass(kind, Input) and issubclass(kind, Decision)]
    assert all(issubclass(kind, Decision) for kind in MESSAGES if issubclass(kind, Command))
    assert base.Message not in MESSAGES


def test_bars_are_equal_when_their_columns_are_and_nan_equals_nan() -> None:
    same = [[1.0, np.nan], [2.0, 2.0], [1.0, 1.0], [1.5, 1.5], [10.0, 20.0]]
    assert bars(same) == bars(same)
    assert bars(same) != bars([[1.0, 2.0], *same[1:]])
    assert bars(same) != BarsRevised.of([0, 1], same, ts_event=60)
    assert bars(same) != Bars.of([0, 1], same, ts_event=120)
    assert bars(same) != Bars.of([0, 2], same, ts_event=60)


def test_columns_cannot_be_hashed() -> None:
    with pytest.raises(TypeError):
        hash(bars([[1.0]] * 5))


@pytest.mark.parametrize("decoded", [False, True])
def test_columns_are_read_only_before_and_after_travelling(decoded: bool) -> None:
    message = bars([[1.0, 2.0]] * 5)
    if decoded:
        message = decode(encode(message))
    for array in (message.ids, message.values, message.close):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 3


def test_columns_come_back_with_shape_and_type() -> None:
    back = decode(encode(bars([[1.0, 2.0, 3.0]] * 7)))
    assert (back.ids.dtype, back.ids.shape) == (np.int32, (3,))
    assert (back.values.dtype, back.values.shape) == (np.float64, (7, 3))
    assert len(back) == 3


def test_a_minute_without_any_bar_travels() -> None:
    back = decode(encode(Bars.of([], np.empty((7, 0)), ts_event=1)))
    assert len(back) == 0
    assert back.values.shape == (7, 0)


def test_a_message_of_an_older_version_takes_the_defaults_of_newer_fields() -> None:
    old = msgspec.msgpack.encode(["OrderCanceled", 5, "c", "b", "SPY"])
    assert decode(old) == broker.OrderCanceled(
        ts_event=5, client_order_id="c", broker_order_id="b", symbol="SPY"
    )


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="Nonsense"):
        decode(msgspec.msgpack.encode(["Nonsense", 1]))


def test_encoding_into_a_buffer_gives_the_same_bytes() -> None:
    message = bars([[1.0, 2.0]] * 5)
    buffer = bytearray(b"before")
    encode_into(message, buffer, -1)
    assert bytes(buffer) == b"before" + encode(message)
