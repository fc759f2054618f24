"""Which lots are asked to leave: each once, all that are meant, the largest first where a share is enough."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.allocation.commitments import Commitment, Commitments
from actors.allocation.exits import Exits
from runtime.messages.risk import Noted
from runtime.messages.trading import OrderProposed, SignalDropped, SignalRaised

NOW, CAUSE = 1_000, 7
PRICES = {"SPY": 100.0, "QQQ": 50.0, "NEW": float("nan")}


class Prices:
    """Knows prices and nothing else."""

    def price(self, symbol: str) -> float:
        return PRICES.get(symbol, 0.0)


def lot(name: str, held: int = 10, **fields: Any) -> Commitment:
    plain: dict[str, Any] = {
        "strategy": "mr", "symbol": "SPY", "direction": "long" if held > 0 else "short", "intraday": False,
        "price": 1,
    }  # fmt: skip
    return Commitment(lot_id=name, held=held, **(plain | fields))


def exits(*lots: Commitment, kept: float = 0.5) -> Exits:
    return Exits(Commitments(list(lots)), Prices(), kept, lambda name, n: f"{name}:x{n}")  # type: ignore[arg-type]


def wish(**fields: Any) -> SignalRaised:
    plain: dict[str, Any] = {
        "ts_event": 1, "cause": 2, "id": "mr-9", "strategy": "mr", "symbol": "SPY", "signal_type": "CLOSE",
        "direction": "long", "strength": 1.0, "confidence": 1.0, "price": 100.0, "stop_loss": None,
        "take_profit": None, "expires_at": 0, "reason": "z back", "params_hash": "",
    }  # fmt: skip
    return SignalRaised(**(plain | fields))


def left(said: Any) -> list[str]:
    return [one.lot_id for one in said if isinstance(one, OrderProposed)]


def test_a_wish_takes_the_strategys_lots_in_the_symbol_and_no_others() -> None:
    mine, second = lot("a"), lot("b", -4)
    tested = exits(mine, lot("theirs", strategy="gap"), lot("else", symbol="QQQ"), second)
    first, other = tested.wished(wish(), NOW, CAUSE)
    assert isinstance(first, OrderProposed)
    assert isinstance(other, OrderProposed)
    assert (first.ts_event, first.cause, first.client_order_id) == (NOW, CAUSE, "a:x1")
    assert (first.signal_id, first.lot_id, first.reason) == ("mr-9", "a", "z back")
    assert (first.side, first.quantity, first.intent, first.reference_price) == ("sell", 10, "exit", 100.0)
    assert (other.lot_id, other.side, other.quantity) == ("b", "buy", 4)
    assert mine.exiting
    assert second.exiting


def test_a_wish_may_name_one_lot() -> None:
    assert left(exits(lot("a"), lot("b")).wished(wish(lot_id="b"), NOW, CAUSE)) == ["b"]


@pytest.mark.parametrize(
    ("lots", "fields", "reason"),
    [
        ([], {}, "NOTHING_TO_CLOSE"),
        ([lot("a")], {"lot_id": "b"}, "NOTHING_TO_CLOSE"),
        ([lot("a", exiting=True)], {}, "ALREADY_CLOSING"),
    ],
)
def test_a_wish_that_comes_to_nothing_is_told(lots: Any, fields: Any, reason: str) -> None:
    assert exits(*lots).wished(wish(**fields), NOW, CAUSE) == [
        SignalDropped(
            ts_event=NOW, cause=CAUSE, signal_id="mr-9", strategy="mr", symbol="SPY", status="rejected",
            reason=reason,
        )
    ]  # fmt: skip


def test_an_exit_that_is_asked_for_again_has_another_name() -> None:
    one = lot("a")
    tested = exits(one)
    (first,) = tested.wished(wish(), NOW, CAUSE)
    one.exiting = False  # its order ended without closing it
    (again,) = tested.wished(wish(), NOW, CAUSE)
    assert [first.client_order_id, again.client_order_id] == ["a:x1", "a:x2"]  # type: ignore[union-attr]


@pytest.mark.parametrize("is_late", [False, True])
def test_intraday_lots_leave_and_a_person_is_called_if_it_is_late(is_late: bool) -> None:
    tested = exits(lot("a", intraday=True), lot("b"), lot("c", intraday=True, exiting=True))
    said = list(tested.intraday(is_late, NOW, CAUSE))
    assert left(said) == ["a"]
    assert [one.reason for one in said if isinstance(one, OrderProposed)] == ["session_end"]
    text = "close_intraday_positions ran late; closing 1 lots now"
    noted = Noted(ts_event=NOW, cause=CAUSE, level="CRITICAL", component="ensemble", text=text)
    assert [one for one in said if isinstance(one, Noted)] == ([noted] if is_late else [])
    assert tested.intraday_lots() == 2
    assert list(tested.intraday(is_late, NOW, CAUSE)) == []


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.sampled_from(["SPY", "QQQ"]), st.booleans()), max_size=8),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)
def test_a_drawdown_sells_at_least_its_share_the_largest_first_and_not_one_lot_more(
    rows: list[tuple[int, str, bool]], kept: float
) -> None:
    lots = [
        lot(f"l{place}", held, symbol=symbol, exiting=exiting)
        for place, (held, symbol, exiting) in enumerate(rows)
    ]
    worth = {one.lot_id: abs(one.held) * PRICES[one.symbol] for one in lots if one.held and not one.exiting}
    sold = left(exits(*lots, kept=kept).sell_down(NOW, CAUSE))
    assert sold == sorted(worth, key=lambda name: (-worth[name], name))[: len(sold)]
    wanted = (1 - kept) * sum(worth.values())
    assert sum(worth[name] for name in sold) >= wanted
    assert not sold or sum(worth[name] for name in sold[:-1]) < wanted


def test_everything_leaves_once_an_input_and_again_at_the_next() -> None:
    one, other = lot("a"), lot("b", exiting=True)
    tested = exits(one, other)
    (told,) = tested.everything("halt", NOW, CAUSE)
    assert (told.lot_id, told.reason, told.signal_id) == ("a", "halt", "a")
    one.exiting = False  # refused at once
    assert list(tested.everything("halt", NOW, CAUSE)) == []
    assert left(tested.everything("halt", NOW, CAUSE + 1)) == ["a"]
