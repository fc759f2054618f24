"""A strategy that lies, shouts or speaks for others: nothing of it passes its host."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.strategies.base import Bars, SignalRaised, Strategy
from runtime.messages.broker import CancelOrder, SubmitOrder
from runtime.messages.machine import SessionStarted
from runtime.messages.market import DailyReady
from runtime.messages.risk import Noted
from runtime.messages.trading import OrderApproved, OrderProposed, SignalDropped
from tests.actors.days import MINUTE
from tests.actors.test_strategy import OPEN, bars, buys, host, lot, phase, scripted, tell

ORDER = OrderProposed(
    ts_event=1, cause=1, lot_id="told-20180305-1", signal_id="told-20180305-1",
    client_order_id="told-20180305-1:e1", strategy="told", symbol="IBM", side="buy", intent="entry",
    quantity=400, type="market", order_class="bracket", reference_price=100.0, stop_loss=90.0,
    take_profit=110.0, time_in_force="day", notional=40_000.0,
)  # fmt: skip
FORBIDDEN = (
    ORDER,
    OrderApproved(ts_event=1, cause=1, order=ORDER),
    SubmitOrder(
        ts_event=1, cause=1, client_order_id="evil:e1", lot_id="evil", strategy="told", symbol="IBM",
        side="buy", quantity=100, type="market", order_class="simple", time_in_force="day",
    ),
    CancelOrder(
        ts_event=1, cause=1, client_order_id="other:s1", broker_order_id="b", lot_id="other", symbol="IBM"
    ),
    SignalDropped(
        ts_event=1, cause=1, signal_id="other-20180305-1", strategy="other", symbol="IBM", status="rejected",
        reason="X",
    ),
    lot(),
    bars(),
    1,
    "x",
    None,
)  # fmt: skip


def changed(**fields: Any) -> type[Strategy]:
    """Buys, but with fields of its own in the signal."""

    def script(strategy: Strategy, frame: Bars) -> Iterator[SignalRaised]:
        for signal in buys(strategy, frame):
            yield msgspec.structs.replace(signal, **fields)

    return scripted(script)


@pytest.mark.parametrize("said", FORBIDDEN, ids=lambda said: type(said).__name__)
def test_anything_but_signals_and_notes_is_the_strategys_crash(said: Any) -> None:
    stage = host(scripted(lambda s, b: [said]))
    with pytest.raises(TypeError, match=f"told said {type(said).__name__};"):
        tell(stage, bars())


@pytest.mark.parametrize("said", FORBIDDEN[:4], ids=lambda said: type(said).__name__)
@pytest.mark.parametrize("handler", ["on_lot", "on_phase_changed", "on_session_started", "on_daily_ready"])
def test_no_handler_is_a_way_around(handler: str, said: Any) -> None:
    kind = type("Told", (Strategy,), {handler: lambda *_: [said]})
    stage = host(kind)
    told = {
        "on_lot": lot(),
        "on_phase_changed": phase("TRADING"),
        "on_session_started": SessionStarted(ts_event=0, session="2018-03-05"),
        "on_daily_ready": DailyReady(ts_event=0, session="2018-03-05", coverage=1.0),
    }
    with pytest.raises(TypeError, match="may only raise signals"):
        stage.tell(told[handler], OPEN)


def test_a_note_leaves_in_the_strategys_own_name_on_one_line() -> None:
    note = Noted(ts_event=1, cause=99, level="ERROR", component="breaker", text="a\nb\x1b[2J" + "x" * 10_000)
    (said,) = tell(host(scripted(lambda s, b: [note])), bars())
    assert (said.component, said.ts_event, said.level) == ("told", OPEN + MINUTE, "ERROR")
    assert said.text.startswith("a\\nb\\x1b[2J")
    assert len(said.text) == 500


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"strategy": "gap_fill"}, "speaks for 'gap_fill'"),
        ({"strategy": "gap_fill", "id": "gap_fill-20180305-1"}, "speaks for"),
        ({"id": "same"}, "id 'same'"),
        ({"id": "gap_fill-20180305-1"}, "not given out"),
        ({"id": "told-20180306-1"}, "not given out"),
        ({"id": "told-20180305-0"}, "not given out"),
        ({"id": "told-20180305-01"}, "not given out"),
        ({"id": "told-20180305-2"}, "not given out"),
        ({"id": "told-20180305-"}, "not given out"),
        ({"id": "told-20180305-\u0661"}, "not given out"),
        ({"id": "told-20180305-" + "9" * 5_000}, "not given out"),
        ({"group_id": "g" * 65}, "is no name"),
        ({"lot_id": "a\nb"}, "is no name"),
        ({"symbol": "NOPE"}, "NOPE is not in the symbol table"),
        ({"symbol": "I" * 5_000_000}, "is no name"),
        ({"direction": "short"}, "BUY opens no short"),
        ({"weight": float("nan")}, "weight"),
        ({"quantity": -5}, "quantity"),
        ({"strength": float("nan")}, "strength"),
    ],
)
def test_a_signal_that_is_not_its_own_is_invalid_and_says_why(fields: dict[str, Any], why: str) -> None:
    (said,) = tell(host(changed(**fields)), bars())
    assert (type(said), said.reason, said.strategy) == (SignalDropped, "INVALID", "told")
    assert why in said.detail
    assert len(said.detail) < 300
    assert len(said.symbol) <= 64


@pytest.mark.parametrize("fields", [{"symbol": 5}, {"id": None}, {"price": "100"}, {"direction": "up"}])
def test_a_field_of_a_wrong_type_is_the_strategys_crash(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        tell(host(changed(**fields)), bars())


def test_an_id_serves_once_and_the_refusal_leaves_the_first_signal_alone() -> None:
    def twice(strategy: Strategy, frame: Bars) -> Iterator[SignalRaised]:
        for signal in buys(strategy, frame):
            yield signal
            yield msgspec.structs.replace(signal, symbol="SPY")

    stage = host(scripted(twice))
    first, second = tell(stage, bars())
    assert (first.id, second.signal_id) == ("told-20180305-1", "told-20180305-2")
    assert (second.reason, second.symbol) == ("INVALID", "SPY")
    assert "used before" in second.detail
    stage.tell(second, OPEN + MINUTE)
    assert tell(stage, bars(1))[0].reason == "DUPLICATE", "the first is still on its way"


def test_numbers_taken_ahead_do_not_hinder_the_close_at_the_sessions_end() -> None:
    def ahead(strategy: Strategy, frame: Bars) -> Iterator[SignalRaised]:
        for signal in buys(strategy, frame):
            for number in range(2, 20):
                yield msgspec.structs.replace(signal, id=f"told-20180305-{number}")

    stage = host(scripted(ahead, intraday=True))
    assert all(said.reason == "INVALID" for said in tell(stage, bars()))
    stage.tell(lot(intraday=True), OPEN + 2 * MINUTE)
    (close,) = stage.tell(phase("MARKET_CLOSE"), OPEN + 375 * MINUTE)
    assert (close.signal_type, close.reason) == ("CLOSE", "session_end")


def test_what_a_signal_tells_is_stamped_with_the_present() -> None:
    (said,) = tell(host(changed(ts_event=1, cause=77)), bars())
    assert (said.ts_event, said.cause) == (OPEN + MINUTE, 2)


def test_long_and_hostile_texts_are_cut_and_made_visible() -> None:
    features = {f"{number}\x1b" + "n" * 99: number for number in range(1_000)} | {"nan": float("nan")}
    kind = changed(reason="R\x1b[2J\ud800" + "R" * 5_000_000, features=features)
    (said,) = tell(host(kind), bars())
    assert isinstance(said, SignalRaised)
    assert said.reason.startswith("R\\x1b[2J\\xd800R")
    assert len(said.reason) == 500
    assert len(said.features) == 50
    assert all(len(name) <= 64 and name.isprintable() for name in said.features)


@given(st.text(max_size=700))
def test_a_reason_is_always_printable_and_short(reason: str) -> None:
    (said,) = tell(host(changed(reason=reason)), bars())
    assert len(said.reason) <= 500
    assert not set(said.reason) & set("\n\r\x1b\x00\u2028\u202e")
    if len(reason) <= 500 and reason.isascii() and reason.isprintable():
        assert said.reason == reason


@pytest.mark.parametrize("answer", [("READY", ""), ("ACTIVE",), None])
def test_a_readiness_that_is_none_is_refused_at_the_start(answer: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        host(type("Told", (Strategy,), {"readiness": lambda _: answer}))
