"""The portfolio actor: fills become lots and equity once, and disagreement with the broker is said."""

from typing import Any

import msgspec
import pytest

from actors.portfolio import Carried, Portfolio
from config.load import load
from runtime.messages.base import Message
from runtime.messages.broker import BrokerAccount, Leg, OrderAccepted, OrderFilled, OrderReplaced, SubmitOrder
from runtime.messages.machine import TimerFired
from runtime.messages.market import Bars
from runtime.messages.risk import EquityMarked, Noted, PortfolioDay, StrategyDay, TaskDone, TaskDue
from runtime.messages.trading import LotChanged, PositionChanged, PositionMismatched
from tests.actors.days import MINUTE, Stage, at, header

NOON = at(12)
LOT = "mean_reversion-20180305-1"
ENTRY = f"{LOT}:e1"


def portfolio(carried: Carried | None = None) -> Stage:
    settings = load(None, environ={}).settings
    return Stage(Portfolio(settings.account, settings.strategies, header(), carried), "portfolio")


def submit(**fields: Any) -> SubmitOrder:
    facts: dict[str, Any] = {
        "ts_event": NOON,
        "cause": 1,
        "client_order_id": ENTRY,
        "lot_id": LOT,
        "strategy": "mean_reversion",
        "symbol": "SPY",
        "side": "buy",
        "quantity": 10,
        "type": "market",
        "order_class": "bracket",
        "time_in_force": "gtc",
        "stop_loss": 90.0,
        "take_profit": 120.0,
    }
    return SubmitOrder(**(facts | fields))


ACCEPTED = OrderAccepted(
    ts_event=NOON,
    client_order_id=ENTRY,
    broker_order_id="b1",
    symbol="SPY",
    legs=(
        Leg(broker_order_id="b2", client_order_id="leg-stop", role="stop", price=90.0),
        Leg(broker_order_id="b3", client_order_id="leg-target", role="target", price=120.0),
    ),
)


def filled(name: str = ENTRY, **fields: Any) -> OrderFilled:
    facts: dict[str, Any] = {
        "ts_event": NOON,
        "client_order_id": name,
        "broker_order_id": "b",
        "execution_id": f"{name}#1",
        "symbol": "SPY",
        "side": "buy" if name == ENTRY else "sell",
        "quantity": 10,
        "price": 100.0,
        "cumulative": 10,
        "done": True,
    }
    return OrderFilled(**(facts | fields))


def opened(stage: Stage) -> list[Message]:
    stage.tell(submit(), NOON)
    stage.tell(ACCEPTED, NOON)
    return stage.tell(filled(position=10), NOON)


def settled(stage: Stage) -> list[Any]:
    """What the portfolio says once it has handled all there was."""
    return list(stage.actor.settle() or ())  # type: ignore[attr-defined]


def test_all_fills_of_a_round_make_one_mark() -> None:
    stage = portfolio()
    assert settled(stage) == []
    opened(stage)
    stage.tell(filled("leg-target", price=120.0, position=0), NOON)
    (mark,) = settled(stage)
    assert (mark.equity, mark.positions) == (97_200.0, 0)
    assert settled(stage) == []


def test_an_entry_fill_opens_a_lot_with_the_prices_that_rest_at_the_broker() -> None:
    stage = portfolio()
    lot, position = opened(stage)
    (mark,) = settled(stage)
    assert isinstance(lot, LotChanged)
    assert isinstance(position, PositionChanged)
    assert isinstance(mark, EquityMarked)
    assert (lot.lot_id, lot.state, lot.quantity, lot.entry_price) == (LOT, "open", 10, 100.0)
    assert (lot.stop_loss, lot.take_profit) == (90.0, 120.0)
    assert (position.quantity, position.strategy) == (10, "mean_reversion")
    assert (mark.equity, mark.cash, mark.positions) == (97_000.0, 96_000.0, 1)


def test_a_leg_closes_the_lot_and_names_itself_as_the_reason() -> None:
    stage = portfolio()
    opened(stage)
    lot, position = stage.tell(filled("leg-target", price=120.0, commission=0.5, position=0), NOON)
    (mark,) = settled(stage)
    assert (lot.state, lot.exit_reason, lot.realised) == ("closed", "target", 199.5)
    assert (position.quantity, mark.equity) == (0, 97_199.5)


def test_a_leg_whose_acceptance_is_late_is_known_by_its_parent() -> None:
    stage = portfolio()
    stage.tell(submit(), NOON)
    stage.tell(filled(position=10), NOON)
    lot, *_ = stage.tell(filled("unknown-leg", price=90.0, position=0, parent_id=ENTRY), NOON)
    assert (lot.state, lot.realised) == ("closed", -100.0)


def test_the_same_fill_twice_is_booked_once() -> None:
    stage = portfolio()
    opened(stage)
    assert stage.tell(filled(position=10), NOON) == []
    later = filled(execution_id="other", quantity=4, cumulative=10, position=10)
    assert stage.tell(later, NOON) == []


def test_a_fill_of_somebody_else_is_no_matter_of_our_books() -> None:
    assert portfolio().tell(filled("somebody-else", side="buy", position=10), NOON) == []


def test_a_fill_of_our_name_that_nobody_ordered_is_said_and_not_booked() -> None:
    stage = portfolio()
    stranger = filled("mean_reversion-20180305-9:e1", side="buy", position=10)
    (note, _, mismatch) = stage.tell(stranger, NOON)
    assert isinstance(note, Noted)
    assert note.level == "CRITICAL"
    assert (mismatch.ours, mismatch.broker) == (0, 10)


def test_a_position_that_is_not_the_brokers_is_doubted_until_both_agree() -> None:
    stage = portfolio()
    stage.tell(submit(quantity=20), NOON)
    *_, note, mismatch = stage.tell(filled(position=12, done=False), NOON)
    assert note.text == "SPY: our lots sum to 10, the broker holds 12"
    assert isinstance(mismatch, PositionMismatched)
    carried = msgspec.msgpack.decode(msgspec.msgpack.encode(stage.actor.carry()), type=Carried)
    later = portfolio(carried)
    *_, mended = later.tell(filled(execution_id="2", cumulative=20, position=20), NOON)
    assert (mended.ours, mended.broker) == (20, 20)
    assert not any(isinstance(m, PositionMismatched) for m in later.tell(filled(cumulative=20), NOON))


def test_an_entry_sent_once_more_without_exits_opens_a_lot_with_those_that_follow_its_fill() -> None:
    stage = portfolio()
    stage.tell(submit(), NOON)
    again = f"{LOT}:e2"
    stage.tell(submit(client_order_id=again, order_class="simple", stop_loss=None, take_profit=None), NOON)
    lot, position, *_ = stage.tell(filled(again, side="buy", position=10), NOON)
    assert (lot.stop_loss, lot.take_profit) == (90.0, 120.0)
    assert (position.stop_loss, position.take_profit) == (90.0, 120.0)


def test_exits_that_rest_anew_are_the_lots_stop_and_target() -> None:
    stage = portfolio()
    opened(stage)
    pair = {"side": "sell", "type": "limit", "role": "target", "adds_exposure": False, "take_profit": None}
    stage.tell(
        submit(client_order_id="pair", order_class="oco", limit_price=121.0, stop_loss=91.0, **pair), NOON
    )
    accepted = msgspec.structs.replace(
        ACCEPTED,
        client_order_id="pair",
        legs=(Leg(broker_order_id="b5", client_order_id="leg-5", role="stop", price=91.0),),
    )
    stage.tell(accepted, NOON)
    lot, *_ = stage.tell(filled("leg-5", price=91.0, quantity=4, cumulative=4, position=6), NOON)
    assert (lot.stop_loss, lot.take_profit) == (91.0, 121.0)
    alone = {"side": "sell", "type": "stop", "role": "stop", "adds_exposure": False, "stop_loss": None}
    stage.tell(
        submit(client_order_id="s1", order_class="simple", stop_price=92.0, take_profit=None, **alone), NOON
    )
    stage.tell(msgspec.structs.replace(ACCEPTED, client_order_id="s1", legs=()), NOON)
    lot, *_ = stage.tell(
        filled("leg-5", execution_id="2", price=91.0, quantity=1, cumulative=5, position=5), NOON
    )
    assert (lot.stop_loss, lot.take_profit) == (92.0, 121.0)


def test_a_moved_stop_is_the_lots_stop() -> None:
    stage = portfolio()
    opened(stage)
    stage.tell(
        OrderReplaced(
            ts_event=NOON, client_order_id="leg-stop", broker_order_id="b2", new_broker_order_id="b4",
            symbol="SPY", stop_price=91.5,
        ),
        NOON,
    )  # fmt: skip
    lot, *_ = stage.tell(filled("leg-stop", price=91.5, quantity=4, cumulative=4, position=6), NOON)
    assert (lot.state, lot.stop_loss, lot.quantity) == ("open", 91.5, 6)


def test_equity_is_marked_at_every_close_while_something_is_held_and_never_above_the_brokers() -> None:
    stage = portfolio()
    frame = Bars.of([0, 1], [[101.0, 1.0]] * 4 + [[5.0, 5.0]], ts_event=NOON)
    assert stage.tell(frame, NOON + MINUTE) == []
    opened(stage)
    (mark,) = stage.tell(frame, NOON + MINUTE)
    assert mark.equity == 97_010.0
    assert mark.strategies == {"mean_reversion": 10.0}
    stage.tell(BrokerAccount(ts_event=NOON, account="x", equity=50_000.0, cash=1.0, buying_power=1.0), NOON)
    (mark,) = stage.tell(frame, NOON + 2 * MINUTE)
    assert mark.equity == 50_000.0


def test_the_day_ends_a_minute_after_the_close_with_its_result_and_its_task() -> None:
    stage = portfolio()
    opened(stage)
    task = TaskDue(ts_event=1, cause=1, task="calculate_daily_pnl", phase="MARKET_CLOSE")
    assert stage.tell(task, at(15.75)) == []
    stage.tell(Bars.of([0], [[103.0]] * 5, ts_event=at(16) - MINUTE), at(16))
    said = stage.tell(TimerFired(ts_event=at(16) + MINUTE, actor="portfolio", key="day-end"), at(16) + MINUTE)
    (day,) = [m for m in said if isinstance(m, PortfolioDay)]
    (done,) = [m for m in said if isinstance(m, TaskDone)]
    (mine,) = [m for m in said if isinstance(m, StrategyDay) and m.strategy == "mean_reversion"]
    assert (day.equity, day.daily_pnl, day.num_positions) == (97_030.0, 30.0, 1)
    assert done.status == "done"
    assert (mine.trades_opened, mine.trades_closed) == (1, 0)
    assert stage.actor.carry().returns == pytest.approx([30 / 97_000])
