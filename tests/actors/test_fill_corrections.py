"""What the broker takes back or changes: lots, P&L, protection and the ledger follow."""

from typing import Any

from runtime.messages.account import LotCorrected
from runtime.messages.base import Message
from runtime.messages.broker import CancelOrder, FillCorrected, OrderChanged, SubmitOrder
from runtime.messages.risk import Noted
from runtime.messages.trading import PositionChanged
from storage.books import Books
from storage.projection import Projection
from tests.actors.days import Stage
from tests.actors.executor_stage import ENTRY as EXECUTOR_ENTRY
from tests.actors.executor_stage import STOP, TARGET, ExecutorStage
from tests.actors.test_portfolio import ENTRY, NOON, filled, opened, portfolio


def correction(name: str = ENTRY, **fields: Any) -> FillCorrected:
    """A fill of ten at 100 taken back."""
    plain: dict[str, Any] = {
        "client_order_id": name, "broker_order_id": "b", "execution_id": "bust-1",
        "previous_execution_id": f"{name}#1", "symbol": "SPY",
        "side": "buy" if name.endswith("e1") else "sell", "quantity_before": 10, "price_before": 100.0,
        "quantity": 0, "price": 100.0, "cumulative": 0,
    }  # fmt: skip
    return FillCorrected(ts_event=NOON, **(plain | fields))


def closed_lot() -> Stage:
    """Bought ten at 100, sold at 120."""
    stage = portfolio()
    opened(stage)
    stage.tell(filled("leg-target", price=120.0, position=0), NOON)
    return stage


def kinds(said: list[Message]) -> list[type]:
    return [type(one) for one in said]


def test_an_entry_taken_back_is_no_lot_any_more_and_said() -> None:
    stage = portfolio()
    opened(stage)
    said = stage.tell(correction(position=0), NOON)
    assert kinds(said) == [Noted, LotCorrected, PositionChanged]
    note, lot, position = said
    (mark,) = stage.actor.settle()
    assert (note.level, note.text) == (
        "ERROR",
        f"fill {ENTRY}#1 of 10 SPY at 100.0 was taken back by the broker",
    )
    assert (lot.state, lot.quantity, lot.entry_quantity, lot.realised) == ("closed", 0, 0, 0.0)
    assert (position.quantity, mark.cash, mark.equity) == (0, 97_000.0, 97_000.0)


def test_an_exit_taken_back_opens_the_lot_again_and_its_round_trip_is_none() -> None:
    stage = closed_lot()
    before = stage.actor.carry().records["mean_reversion"]
    assert (before.trades, before.wins, before.pnl) == (1, 1, 200.0)
    _, lot, position = stage.tell(correction("leg-target", price_before=120.0, position=10), NOON)
    (mark,) = stage.actor.settle()
    assert (lot.state, lot.quantity, lot.realised, lot.exit_reason) == ("open", 10, 0.0, "")
    assert (position.quantity, mark.cash) == (10, 96_000.0)
    after = stage.actor.carry().records["mean_reversion"]
    assert (after.trades, after.wins, after.pnl, after.closed) == (0, 0, 0.0, [])
    assert [one.id for one in stage.actor.carry().lots] == [lot.lot_id]


def test_another_price_of_the_exit_is_another_profit_of_the_same_round_trip() -> None:
    stage = closed_lot()
    change = correction("leg-target", price_before=120.0, quantity=10, price=119.0, cumulative=10, position=0)
    _, lot, _ = stage.tell(change, NOON)
    (mark,) = stage.actor.settle()
    assert (lot.state, lot.realised, lot.exit_price, lot.exit_reason) == ("closed", 190.0, 119.0, "target")
    assert mark.equity == 97_190.0
    record = stage.actor.carry().records["mean_reversion"]
    assert (record.trades, record.wins, record.pnl) == (1, 1, 190.0)


def test_a_correction_counts_once() -> None:
    stage = portfolio()
    opened(stage)
    stage.tell(correction(position=0), NOON)
    assert stage.tell(correction(position=0), NOON) == []


def test_a_correction_of_a_lot_that_is_forgotten_is_for_a_person() -> None:
    (note,) = portfolio().tell(correction(), NOON)
    assert (note.level, "does not show it" in note.text or "do not show it" in note.text) == (
        "CRITICAL",
        True,
    )
    assert portfolio().tell(correction("dashboard"), NOON) == []


def test_the_ledger_recomputes_from_executions_after_corrections() -> None:
    stage = portfolio()
    projection = Projection("2018-03-05", ("SPY",))
    with Books(None, "replay:corrections", "memory") as books:
        opened(stage)
        steps = [
            (filled(), []),
            *(
                (one, stage.tell(one, NOON))
                for one in (
                    filled("leg-target", quantity=4, cumulative=4, price=120.0, done=False, position=6),
                    correction(quantity=10, price=101.5, cumulative=10),
                    correction(
                        "leg-target", execution_id="bust-2", previous_execution_id="leg-target#1",
                        quantity_before=4, price_before=120.0, position=10,
                    ),
                )
            ),
        ]  # fmt: skip
        for seq, (message, caused) in enumerate(steps, start=1):
            books.apply(projection.rows(seq, NOON, message, caused), projection.mark(seq), NOON)
        books.commit()
        assert books.refused == 0
        link = books.connection("trades")
        rows = link.execute("SELECT direction, quantity, fill_price, cash_micros FROM executions").fetchall()
        assert len(rows) == 5  # the entry, its reversal, its new price; the exit and its reversal
        cash = 97_000_000_000 + sum(row[3] for row in rows)
        by_hand = sum((-1 if row[0] == "buy" else 1) * row[1] * row[2] for row in rows)
        carried = stage.actor.carry()
        assert cash == carried.cash == round((97_000 + by_hand) * 1_000_000) == 95_985_000_000
        held = sum((1 if row[0] == "buy" else -1) * row[1] for row in rows)
        assert link.execute("SELECT quantity, entry_price, realised_micros FROM lots").fetchone() == (
            held, 101.5, 0,
        )  # fmt: skip
        assert held == 10


def corrected(stage: ExecutorStage, name: str, **fields: Any) -> list[Message]:
    plain = {
        "symbol": "AAA",
        "broker_order_id": f"b-{name}",
        "side": "buy" if name == EXECUTOR_ENTRY else "sell",
    }
    return stage.hear(correction(name, **(plain | fields)))


def test_stops_of_shares_that_are_no_more_are_cancelled() -> None:
    stage = ExecutorStage().ready().open_lot()
    corrected(stage, EXECUTOR_ENTRY)
    assert [one.client_order_id for one in stage.of(CancelOrder)] == [STOP]
    stage.canceled(STOP)
    stage.canceled(TARGET)
    assert len(stage.of(SubmitOrder)) == 1
    assert stage.executor.carry().lots == []


def test_what_is_left_of_a_fill_is_protected_anew() -> None:
    stage = ExecutorStage().ready().open_lot()
    corrected(stage, EXECUTOR_ENTRY, quantity=6, cumulative=6)
    stage.canceled(STOP)
    stage.canceled(TARGET)
    oco = stage.of(SubmitOrder)[-1]
    assert (oco.order_class, oco.quantity, oco.limit_price, oco.stop_loss) == ("oco", 6, 105.0, 95.0)


def test_shares_that_came_back_with_an_exit_are_protected() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.fill(TARGET, side="sell", price=105.0)
    stage.canceled(STOP)
    corrected(stage, TARGET, price_before=105.0)
    oco = stage.of(SubmitOrder)[-1]
    assert (oco.order_class, oco.quantity) == ("oco", 10)


def test_shares_that_were_sold_and_never_bought_call_a_person() -> None:
    stage = ExecutorStage().ready().open_lot()
    stage.fill(TARGET, side="sell", price=105.0)
    stage.canceled(STOP)
    corrected(stage, EXECUTOR_ENTRY)
    assert [one.level for one in stage.of(Noted)] == ["CRITICAL"]
    assert stage.of(OrderChanged)[-1].filled == 0


def test_shares_that_a_correction_adds_are_protected_with_the_rest() -> None:
    stage = ExecutorStage().ready().open_lot()
    corrected(stage, EXECUTOR_ENTRY, quantity=12, cumulative=12)
    assert [(one.client_order_id, one.reason) for one in stage.of(CancelOrder)] == [
        (STOP, "less than is held")
    ]
    stage.canceled(STOP)
    stage.canceled(TARGET)
    oco = stage.of(SubmitOrder)[-1]
    assert (oco.order_class, oco.quantity) == ("oco", 12)


def test_a_fill_of_an_entry_that_was_over_is_protected_with_the_rest() -> None:
    stage = ExecutorStage().ready()
    stage.approve()
    stage.accept()
    stage.fill(quantity=4)
    stage.canceled(EXECUTOR_ENTRY, 4)
    (first,) = stage.of(SubmitOrder)[1:]
    stage.fill(quantity=3, cumulative=7)
    assert [one.client_order_id for one in stage.of(CancelOrder)] == [first.client_order_id]
    stage.canceled(first.client_order_id)
    assert [(one.order_class, one.quantity) for one in stage.of(SubmitOrder)[1:]] == [("oco", 4), ("oco", 7)]


def test_more_shares_than_were_ordered_are_all_protected() -> None:
    stage = ExecutorStage().ready()
    stage.approve()
    stage.accept(legs=True)
    stage.fill(quantity=12)
    stage.canceled(STOP)
    stage.canceled(TARGET)
    oco = stage.of(SubmitOrder)[-1]
    assert (oco.order_class, oco.quantity) == ("oco", 12)


def test_a_fill_that_was_taken_back_and_is_told_once_more_counts_for_nobody() -> None:
    books = portfolio()
    opened(books)
    before = books.actor.carry().cash
    books.tell(correction(position=0), NOON)
    assert books.tell(filled(), NOON) == []
    assert books.actor.carry().lots == []
    assert books.actor.carry().cash == before + 10 * 100 * 1_000_000
    stage = ExecutorStage().ready().open_lot()
    corrected(stage, EXECUTOR_ENTRY)
    assert stage.fill() == []
