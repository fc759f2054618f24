"""The breaker actor: verdicts, activations as messages, and what it remembers."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.breaker import Breaker, Carried
from config.strategies import StrategySettings
from config.trading import Breakers, Limits
from runtime.kernel.cell import ActorSpec
from runtime.kernel.sequencer import Sequencer
from runtime.messages.base import Message
from runtime.messages.broker import CancelOrder
from runtime.messages.machine import (
    ActorCrashed,
    ActorStopped,
    SessionEnded,
    SessionStarted,
    SetTimer,
    TimerFired,
)
from runtime.messages.market import Bars, SymbolAdded
from runtime.messages.risk import (
    BreakerCleared,
    BreakerTripped,
    EquityMarked,
    HaltLifted,
    HaltThrown,
    StrategyPaused,
    TaskDone,
    TaskDue,
)
from runtime.messages.session import SessionHeader
from runtime.messages.trading import LotChanged, OrderApproved, OrderDenied, PositionMismatched
from tests.actors.days import DAY, HOUR, MINUTE, Stage, at, header
from tests.actors.risk.proposals import proposal

STRATEGIES = (
    StrategySettings(name="gap_fill", allocation=0.10),
    StrategySettings(name="mean_reversion", allocation=0.30),
    StrategySettings(name="off", allocation=0.50, enabled=False),
)


def breaker(carried: Carried | None = None, head: SessionHeader | None = None) -> Breaker:
    daily = np.full((6, 2, 3), 100.0)
    panels = {"daily": daily, "price_ratio": np.array([1.0, math.nan])}
    limits = Limits(duplicate_window_s=0.0)
    return Breaker(Breakers(), limits, STRATEGIES, header=head or header(), panels=panels, carried=carried)


@pytest.fixture
def stage() -> Stage:
    on = Stage(breaker(), "breaker")
    on.tell(SessionStarted(ts_event=at(-6), session="2018-03-05"), at(-6))
    on.tell(marked(97_000.0), at(-6))
    return on


def marked(equity: float, final: bool = False, **strategies: float) -> EquityMarked:
    return EquityMarked(
        ts_event=0, cause=1, equity=equity, cash=0, gross=0, positions=1, strategies=strategies, final=final
    )


def lot(number: int, realised: float) -> LotChanged:
    return LotChanged(
        ts_event=0, cause=1, lot_id=f"lot{number}", signal_id=f"lot{number}", strategy="gap_fill",
        symbol="SPY", direction="long", state="closed", quantity=0, entry_quantity=10, entry_price=100.0,
        entry_ts=0, stop_loss=None, take_profit=None, intraday=True, fill_quantity=-10, fill_price=99.0,
        execution_id=f"x{number}", client_order_id="c", role="stop", realised=realised, commission=0.0,
        slippage=0.0,
    )  # fmt: skip


def verdict(on: Stage, now: int, **fields: object) -> str:
    """`approved`, or the rule that denied."""
    said = on.tell(proposal(**fields), now)[-1]
    if isinstance(said, OrderApproved):
        return "approved"
    assert isinstance(said, OrderDenied)
    return said.rule


def test_an_approval_carries_the_whole_proposal(stage: Stage) -> None:
    order = proposal()
    (said,) = stage.tell(order, at(10))
    assert said == OrderApproved(ts_event=at(10), cause=stage.moment.seq, order=order)


def test_a_two_percent_loss_halts_entries_but_never_exits(stage: Stage) -> None:
    said = stage.tell(marked(95_060.0), at(10))
    (daily,) = [message for message in said if isinstance(message, BreakerTripped)]
    assert (daily.breaker, daily.action, daily.target) == ("daily_loss", "HALT", "")
    assert daily.expires_at == at(9.5) + DAY
    assert daily.triggered_at == at(10)
    denied = stage.tell(proposal(), at(10))[-1]
    assert isinstance(denied, OrderDenied)
    assert (denied.rule, denied.limit) == ("daily_loss", 0.02)
    assert denied.value == pytest.approx(0.02)
    assert verdict(stage, at(10), intent="exit") == "approved"


def test_the_next_open_of_the_header_ends_a_daily_loss() -> None:
    on = Stage(breaker(head=header(next_open=at(9.5) + DAY - HOUR)), "breaker")
    on.tell(marked(97_000.0), at(9.6))
    (tripped, *_) = on.tell(marked(90_000.0), at(10))
    assert isinstance(tripped, BreakerTripped)
    assert tripped.expires_at == at(9.5) + DAY - HOUR


def test_a_drawdown_reduces_but_does_not_deny(stage: Stage) -> None:
    stage.tell(marked(82_450.0), at(10))
    stage.tell(TimerFired(ts_event=0, actor="breaker", key="expiry"), at(10.5))
    evening = SessionStarted(ts_event=0, session="2018-03-06")
    kept = Stage(breaker(stage.actor.carry(), header(day=1)), "breaker")  # type: ignore[arg-type]
    kept.tell(evening, at(-6) + DAY)
    assert verdict(kept, at(9.4) + DAY) == "daily_loss"
    assert verdict(kept, at(9.5) + DAY) == "approved"
    said = kept.tell(marked(89_725.0), at(9.6) + DAY)
    assert [m.breaker for m in said if isinstance(m, BreakerCleared)] == ["drawdown"]


def test_five_losses_pause_one_strategy_only(stage: Stage) -> None:
    said = [message for n in range(5) for message in stage.tell(lot(n, -1.0), at(10) + n)]
    assert [(m.breaker, m.target) for m in said if isinstance(m, BreakerTripped)] == [
        ("consecutive_losses", "gap_fill")
    ]
    assert verdict(stage, at(11)) == "consecutive_losses"
    assert verdict(stage, at(11), strategy="mean_reversion") == "approved"
    assert verdict(stage, at(14) + 3) == "consecutive_losses"
    assert verdict(stage, at(14) + 4) == "approved"


def test_a_lost_sleeve_disables_its_strategy(stage: Stage) -> None:
    (tripped,) = stage.tell(marked(96_515.0, gap_fill=-485.0), at(10))
    assert isinstance(tripped, BreakerTripped)
    assert (tripped.breaker, tripped.target) == ("strategy_loss", "gap_fill")
    assert tripped.expires_at == at(10) + DAY
    assert verdict(stage, at(11)) == "strategy_loss"
    assert verdict(stage, at(11), strategy="mean_reversion") == "approved"


def test_the_kill_switch_is_latched_and_carried(stage: Stage) -> None:
    stage.tell(HaltThrown(ts_event=0, reason="by hand"), at(10))
    assert verdict(stage, at(10)) == "halt"
    assert verdict(stage, at(10), intent="exit") == "approved"
    kept = Stage(breaker(stage.actor.carry(), header(day=1)), "breaker")  # type: ignore[arg-type]
    kept.tell(SessionStarted(ts_event=0, session="2018-03-06"), at(-6) + DAY)
    assert verdict(kept, at(10) + DAY) == "halt"
    kept.tell(HaltLifted(ts_event=0, by="owner"), at(10) + DAY)
    assert verdict(kept, at(10) + DAY) == "approved"


def test_a_person_may_pause_one_strategy(stage: Stage) -> None:
    stage.tell(StrategyPaused(ts_event=0, strategy="gap_fill", paused=True), at(10))
    assert verdict(stage, at(10)) == "paused"
    assert verdict(stage, at(10), strategy="mean_reversion") == "approved"
    kept = Stage(breaker(stage.actor.carry()), "breaker")  # type: ignore[arg-type]
    assert verdict(kept, at(10)) == "paused"
    kept.tell(StrategyPaused(ts_event=0, strategy="gap_fill", paused=False), at(10))
    assert verdict(kept, at(10)) == "approved"


@pytest.mark.parametrize(("actor", "expected"), [("portfolio", "reconcile"), ("gap_fill", "approved")])
def test_a_stopped_money_actor_halts_entries_for_the_session(stage: Stage, actor: str, expected: str) -> None:
    stage.tell(ActorStopped(ts_event=0, cause=1, actor=actor, reason="too many crashes"), at(10))
    assert verdict(stage, at(17)) == expected
    kept = Stage(breaker(stage.actor.carry(), header(day=1)), "breaker")  # type: ignore[arg-type]
    kept.tell(SessionStarted(ts_event=0, session="2018-03-06"), at(18))
    assert verdict(kept, at(10) + DAY) == "approved"


@pytest.mark.parametrize(
    ("actor", "skipped", "expected"),
    [
        ("portfolio", "OrderFilled", "reconcile"),
        ("executor", "OrderCanceled", "reconcile"),
        ("breaker", "BrokerAccount", "reconcile"),
        ("portfolio", "Bars", "approved"),
        ("gap_fill", "OrderFilled", "approved"),
    ],
)
def test_a_money_actor_that_skipped_a_broker_event_halts_until_resumed(
    stage: Stage, actor: str, skipped: str, expected: str
) -> None:
    stage.tell(
        ActorCrashed(ts_event=0, cause=1, actor=actor, ordinal=1, message_type=skipped, message_digest=""),
        at(10),
    )
    assert verdict(stage, at(10)) == expected
    kept = Stage(breaker(stage.actor.carry(), header(day=1)), "breaker")  # type: ignore[arg-type]
    kept.tell(SessionStarted(ts_event=0, session="2018-03-06"), at(18))
    assert verdict(kept, at(10) + DAY) == expected
    kept.tell(HaltLifted(ts_event=0, by="owner"), at(10) + DAY)
    assert verdict(kept, at(10) + DAY) == "approved"


@pytest.mark.parametrize("equity", [math.nan, math.inf, -math.inf])
def test_an_equity_that_is_no_number_halts(stage: Stage, equity: float) -> None:
    stage.tell(marked(equity), at(10))
    assert verdict(stage, at(10)) == "reconcile"


def test_the_collar_follows_the_minutes_closes(stage: Stage) -> None:
    bars = Bars.of([0, 1], [[50.0, 60.0]] * 4 + [[1.0, 1.0]], ts_event=at(10))
    stage.tell(bars, at(10))
    assert verdict(stage, at(10)) == "price_collar"
    assert verdict(stage, at(10), reference_price=52.0) == "approved"
    assert verdict(stage, at(10), reference_price=60.0, symbol="IBM") == "approved"


def test_a_symbol_with_no_known_price_or_place_is_refused(stage: Stage) -> None:
    assert verdict(stage, at(10), symbol="IBM") == "price_collar"
    assert verdict(stage, at(10), symbol="NEW") == "price_collar"
    stage.tell(SymbolAdded(ts_event=0, symbol="NEW", id=2), at(10))
    stage.tell(Bars.of([2], [[100.0]] * 4 + [[1.0]], ts_event=at(10)), at(10))
    assert verdict(stage, at(10), symbol="NEW") == "approved"


def test_cancels_count_towards_the_message_rate(stage: Stage) -> None:
    cancel = CancelOrder(
        ts_event=0, cause=1, client_order_id="a", broker_order_id="b", lot_id="l", symbol="SPY"
    )
    for _ in range(150):
        stage.tell(cancel, at(10))
    assert verdict(stage, at(10)) == "message_rate"
    assert verdict(stage, at(10), intent="exit") == "approved"
    assert verdict(stage, at(10) + MINUTE) == "approved"


def test_its_task_reports_what_is_active(stage: Stage) -> None:
    task = TaskDue(ts_event=0, cause=1, task="check_circuit_breakers", phase="TRADING")
    (done,) = stage.tell(task, at(10))
    assert isinstance(done, TaskDone)
    assert (done.status, done.detail) == ("done", "none active")
    stage.tell(marked(96_515.0, gap_fill=-485.0), at(10))
    stage.tell(HaltThrown(ts_event=0, reason="by hand"), at(10))
    (done,) = stage.tell(task, at(10))
    assert isinstance(done, TaskDone)
    assert done.detail == (
        "kill switch: by hand; strategy_loss DISABLE of gap_fill: "
        "gap_fill lost 5.0000% of its sleeve from its high (limit 5.0000%)"
    )
    assert stage.tell(msgspec.structs.replace(task, task="monitor_positions"), at(10)) == []


def test_expiries_come_by_timer_at_their_own_time() -> None:
    heard: list[tuple[int, Message]] = []

    def listen(_: int, now: int, __: Message, caused: object) -> None:
        heard.extend((now, message) for message in caused)  # type: ignore[attr-defined]

    spec = ActorSpec(name="breaker", rank=30, build=lambda _: breaker())
    sequencer = Sequencer([spec], observers=[listen])
    sequencer.post("machine", SessionStarted(ts_event=at(-6), session="2018-03-05"), at(-6))
    chain = sequencer.actor("breaker")
    for minute, equity in ((0, 97_000.0), (1, 96_000.0)):
        sequencer.moment.now = at(10) + minute * MINUTE
        for message in chain.on_equity_marked(marked(equity)):
            if isinstance(message, SetTimer):
                sequencer.timers.apply(message)
    sequencer.post("machine", SessionEnded(ts_event=at(18), session="2018-03-05"), at(18))
    assert [(now, m.breaker) for now, m in heard if isinstance(m, BreakerCleared)] == [
        (at(10) + 31 * MINUTE, "rapid_loss")
    ]


stories = st.lists(
    st.tuples(
        st.sampled_from(["mark", "mark", "lot", "order", "exit", "halt", "resume", "timer"]),
        st.integers(1, 40),
        st.integers(-900, 900),
    ),
    max_size=50,
)


@settings(max_examples=60)
@given(stories, st.integers(0, 50))
def test_a_rebuilt_breaker_says_what_the_old_one_would_have_said(
    story: list[tuple[str, int, int]], cut: int
) -> None:
    whole, broken = Stage(breaker(), "breaker"), Stage(breaker(), "breaker")
    now, equity = at(9.5), 97_000.0
    for place, (kind, minutes, amount) in enumerate(story):
        now += minutes * MINUTE
        equity += amount
        if place == cut:
            packed = msgspec.msgpack.encode(broken.actor.carry())
            broken = Stage(breaker(msgspec.msgpack.decode(packed, type=Carried)), "breaker")
            broken.moment.seq = whole.moment.seq
        message: Message = {
            "mark": marked(equity, gap_fill=float(amount)),
            "lot": lot(place, amount - 300.0),
            "order": proposal(quantity=10 + abs(amount) % 3),
            "exit": proposal(intent="exit"),
            "halt": HaltThrown(ts_event=now, reason="test"),
            "resume": HaltLifted(ts_event=now, by="test"),
            "timer": TimerFired(ts_event=now, actor="breaker", key="expiry"),
        }[kind]
        assert whole.tell(message, now) == broken.tell(message, now)
    assert whole.actor.carry() == broken.actor.carry()


@settings(max_examples=60)
@given(stories)
def test_exits_pass_whatever_happened(story: list[tuple[str, int, int]]) -> None:
    on = Stage(breaker(), "breaker")
    now, equity = at(9.5), 97_000.0
    for place, (kind, minutes, amount) in enumerate(story):
        now += minutes * MINUTE
        equity += min(amount, 0)
        on.tell(lot(place, -1.0) if kind == "lot" else marked(equity, gap_fill=-1_000.0), now)
        if kind == "halt":
            on.tell(HaltThrown(ts_event=now, reason="test"), now)
        assert verdict(on, now, intent="exit", quantity=10**9, reference_price=math.nan) == "approved"


def test_a_symbol_whose_position_is_in_doubt_takes_no_entries_until_the_books_agree(stage: Stage) -> None:
    stage.tell(PositionMismatched(ts_event=0, cause=1, symbol="SPY", ours=10, broker=12), at(10))
    assert verdict(stage, at(10), symbol="SPY") == "reconcile"
    assert verdict(stage, at(10), symbol="SPY", intent="exit") == "approved"
    carried = msgspec.msgpack.decode(msgspec.msgpack.encode(stage.actor.carry()), type=Carried)
    later = Stage(breaker(carried), "breaker")
    assert verdict(later, at(10), symbol="SPY") == "reconcile"
    stage.tell(PositionMismatched(ts_event=0, cause=1, symbol="SPY", ours=12, broker=12), at(11))
    assert verdict(stage, at(11), symbol="SPY") == "approved"
