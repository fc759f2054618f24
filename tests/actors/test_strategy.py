"""What the host does for every strategy, with a strategy that says whatever a test tells it to."""

import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as runs_of
from hypothesis import strategies as st

from actors.strategies.base import Bars, EntryStyle, Holding, SignalRaised, Strategy
from actors.strategies.host_rules import HostRules
from actors.strategies.mean_reversion import MeanReversionStrategy
from actors.strategies.rules import invalid
from actors.strategy import StrategyActor, StrategyCarried
from runtime.messages.machine import SessionStarted
from runtime.messages.market import DailyBars, DailyReady, FeedChanged, SymbolAdded, TradingStatus
from runtime.messages.risk import Noted, PhaseChanged, StrategyChanged, StrategyPaused
from runtime.messages.trading import LotChanged, SignalDropped
from tests.actors.days import MINUTE, Stage, at, header
from tests.actors.strategies.recorded import Section

OPEN = at(9.5)
Script = Callable[[Strategy, Bars], Any]


class Scripted(Strategy):
    script: ClassVar[Script]

    def on_bars(self, bars: Bars) -> Iterator[SignalRaised]:
        yield from type(self).script(self, bars)

    def on_daily_ready(self, _: Any) -> Iterator[SignalRaised]:
        yield from ()


def scripted(script: Script, intraday: bool = False) -> type[Strategy]:
    return type("Told", (Scripted,), {"script": staticmethod(script), "intraday": intraday})


def buys(strategy: Strategy, _: Bars, **more: Any) -> Iterator[SignalRaised]:
    yield strategy.buy("IBM", **({"stop": 98.0, "target": 104.0, "reason": "told"} | more))


def host(
    kind: type[Strategy] | None = None,
    carried: StrategyCarried | None = None,
    *,
    day: int = 0,
    panels: dict[str, Any] | None = None,
    allow_short: bool = False,
    **settings: Any,
) -> Stage:
    section = Section(**({"name": "told"} | settings))
    facts = header(day=day, next_open=at(9.5) + (day + 1) * 24 * 60 * MINUTE, next_close=at(40))
    actor = StrategyActor(
        kind or scripted(buys), section, facts, panels or {}, carried, allow_short=allow_short
    )
    return Stage(actor, "told")


def free_host(**more: Any) -> Stage:
    """Buys what is told under settings that do not ask for exits."""
    actor = StrategyActor(
        scripted(lambda s, b: buys(s, b, **more)),
        Section(name="told"),
        header(),
        {},
        rules=HostRules(require_exits=False),
    )
    return Stage(actor, "told")


def bars(minute: int = 0, ids: tuple[int, ...] = (0, 1), price: float = 100.0, day: int = 0) -> Bars:
    row = [price] * len(ids)
    rows = [row, row, row, row, [1000.0] * len(ids)]
    return Bars.of(list(ids), rows, ts_event=OPEN + day * 24 * 60 * MINUTE + minute * MINUTE)


def tell(stage: Stage, frame: Bars) -> list[Any]:
    return list(stage.tell(frame, frame.ts_event + MINUTE))


def lot(state: str = "open", role: str = "entry", **more: Any) -> LotChanged:
    facts: dict[str, Any] = {
        "ts_event": OPEN + 2 * MINUTE, "cause": 1, "lot_id": "told-20180305-1",
        "signal_id": "told-20180305-1", "strategy": "told", "symbol": "IBM", "direction": "long",
        "state": state, "quantity": 10,
        "entry_quantity": 10, "entry_price": 100.0, "entry_ts": OPEN + 2 * MINUTE, "stop_loss": 98.0,
        "take_profit": 104.0, "intraday": False, "fill_quantity": 10, "fill_price": 100.0,
        "execution_id": "x", "client_order_id": "c", "role": role, "realised": 0.0, "commission": 0.0,
        "slippage": 0.0,
    }  # fmt: skip
    return LotChanged(**(facts | more))


def phase(name: Any) -> PhaseChanged:
    return PhaseChanged(ts_event=0, cause=1, phase=name, previous="TRADING")


def test_a_valid_entry_leaves_with_an_id_of_strategy_session_and_number() -> None:
    said = tell(host(), bars())
    assert [s.id for s in said] == ["told-20180305-1"]
    assert said[0].price == 100.0
    assert said[0].expires_at == said[0].ts_event + 5 * MINUTE


def test_only_what_a_strategy_listens_to_reaches_its_host() -> None:
    assert Bars in host().handlers
    quiet = StrategyActor(MeanReversionStrategy, Section(name="mr"), header(), {}, None)
    assert Bars not in quiet.bound_handlers()
    assert DailyReady in quiet.bound_handlers()


def test_the_same_entry_is_not_raised_twice_while_one_is_on_its_way_or_held() -> None:
    stage = host()
    tell(stage, bars(0))
    assert tell(stage, bars(1))[0].reason == "DUPLICATE"
    stage.tell(lot(), OPEN + 2 * MINUTE)
    assert tell(stage, bars(30))[0].detail.startswith("already held")


def test_an_entry_that_was_dropped_may_be_raised_again() -> None:
    stage = host()
    first = tell(stage, bars(0))[0]
    drop = SignalDropped(
        ts_event=0, cause=1, signal_id=first.id, strategy="told", symbol="IBM", status="rejected", reason="X"
    )
    stage.tell(drop, OPEN + MINUTE)
    assert isinstance(tell(stage, bars(1))[0], SignalRaised)


@pytest.mark.parametrize("stop", [98.0, None])
@pytest.mark.parametrize("target", [104.0, None])
def test_where_exits_are_not_asked_for_an_entry_may_leave_without(
    stop: float | None, target: float | None
) -> None:
    said = tell(free_host(stop=stop, target=target), bars())[0]
    assert isinstance(said, SignalRaised)
    assert (said.stop_loss, said.take_profit) == (stop, target)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"stop": None, "target": 99.0}, "stop none"),
        ({"target": None, "stop": 101.0}, "target none"),
        ({"stop": None, "target": math.nan}, "target nan"),
        ({"target": None, "stop": 0.0}, "stop 0"),
        ({"target": None, "stop": 99.99}, "least"),
        ({"stop": None, "entry": EntryStyle(type="limit", limit=105.0)}, "entry limit"),
    ],
)
def test_an_exit_that_is_given_must_make_sense_though_none_is_asked_for(
    more: dict[str, Any], why: str
) -> None:
    said = tell(free_host(**more), bars())[0]
    assert (type(said), said.reason) == (SignalDropped, "INVALID")
    assert why in said.detail


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"stop": 101.0}, "stop 101"),
        ({"target": 99.0}, "target 99"),
        ({"stop": 99.99}, "least"),
        ({"stop": math.nan}, "stop nan"),
        ({"stop": -1.0}, "stop -1"),
        ({"target": math.inf}, "target inf"),
        ({"stop": None}, "needs a stop"),
        ({"target": None}, "needs a stop"),
        ({"strength": 1.2}, "strength"),
        ({"confidence": -0.1}, "confidence"),
        ({"price": math.inf}, "price"),
        ({"expires_at": OPEN}, "expires"),
    ],
)
def test_an_invalid_signal_never_leaves_and_says_why(more: dict[str, Any], why: str) -> None:
    said = tell(host(scripted(lambda s, b: buys(s, b, **more))), bars())
    assert [(type(s), s.reason) for s in said] == [(SignalDropped, "INVALID")]
    assert why in said[0].detail


@given(st.floats(allow_nan=True), st.floats(allow_nan=True), st.floats(allow_nan=True))
def test_what_leaves_always_has_its_stop_and_target_on_the_right_sides(p: float, s: float, t: float) -> None:
    for said in tell(host(scripted(lambda x, b: buys(x, b, price=p, stop=s, target=t))), bars()):
        if isinstance(said, SignalRaised):
            assert said.stop_loss < said.price < said.take_profit  # type: ignore[operator]
            assert invalid(said) == ""


def test_a_stop_of_exactly_two_ticks_is_a_stop() -> None:
    said = tell(host(scripted(lambda s, b: buys(s, b, price=20.0, stop=19.98, target=21.0))), bars())
    assert isinstance(said[0], SignalRaised)


def test_selling_short_needs_leave() -> None:
    def sells(strategy: Strategy, _: Bars) -> Iterator[SignalRaised]:
        yield strategy.sell_short("IBM", stop=102.0, target=96.0, reason="told")

    assert tell(host(scripted(sells)), bars())[0].reason == "NO_SHORT"
    assert tell(host(scripted(sells), allow_short=True), bars())[0].direction == "short"


def test_a_stop_out_cools_the_symbol_down_for_five_sessions() -> None:
    stage = host()
    stage.tell(lot(), OPEN + MINUTE)
    stage.tell(lot("closed", "stop", quantity=0), OPEN + 2 * MINUTE)
    assert tell(stage, bars(5))[0].reason == "COOLDOWN"
    for day in range(1, 7):
        stage = host(carried=stage.actor.carry(), day=day)  # type: ignore[arg-type]
        said = tell(stage, bars(5, day=day))[0]
        assert isinstance(said, SignalRaised) == (day == 6), day


def test_an_intraday_stop_out_cools_down_for_the_rest_of_the_day_only() -> None:
    kind = scripted(buys, intraday=True)
    stage = host(kind)
    stage.tell(lot(intraday=True), OPEN + MINUTE)
    stage.tell(lot("closed", "stop", quantity=0, intraday=True), OPEN + 2 * MINUTE)
    assert tell(stage, bars(300))[0].reason == "COOLDOWN"
    again = host(kind, stage.actor.carry(), day=1)  # type: ignore[arg-type]
    assert isinstance(tell(again, bars(5, day=1))[0], SignalRaised)


def test_a_target_cools_nothing_down() -> None:
    stage = host()
    stage.tell(lot(), OPEN + MINUTE)
    stage.tell(lot("closed", "target", quantity=0), OPEN + 2 * MINUTE)
    assert isinstance(tell(stage, bars(5))[0], SignalRaised)


def test_a_halt_blocks_entries_until_five_minutes_after_it_ended() -> None:
    stage = host()
    status = TradingStatus(ts_event=0, symbol="IBM", halted=True)
    stage.tell(status, OPEN)
    assert tell(stage, bars(1))[0].reason == "HALTED"
    stage.tell(msgspec.structs.replace(status, halted=False), OPEN + 10 * MINUTE)
    assert tell(stage, bars(13))[0].reason == "HALTED"
    assert isinstance(tell(stage, bars(14))[0], SignalRaised)


def test_without_the_benchmark_for_three_minutes_nothing_enters() -> None:
    stage = host(scripted(lambda s, b: buys(s, b) if len(b) == 1 else ()))
    tell(stage, bars(0))
    assert isinstance(tell(stage, bars(2, ids=(1,)))[0], SignalRaised)
    stage.tell(lot("closed", "exit", quantity=0), OPEN + 3 * MINUTE)
    assert tell(stage, bars(3, ids=(1,)))[0].reason == "STALE_FEED"


def test_a_feed_that_is_down_blocks_entries_and_never_exits() -> None:
    def both(strategy: Strategy, frame: Bars) -> Iterator[SignalRaised]:
        yield from buys(strategy, frame)
        if strategy.held("IBM"):
            yield strategy.close("IBM", "told")

    stage = host(scripted(both))
    stage.tell(lot(), OPEN)
    stage.tell(FeedChanged(ts_event=0, stream="sip", up=False, reason="lost"), OPEN)
    said = tell(stage, bars(0))
    assert [s.reason for s in said] == ["STALE_FEED", "told"]
    assert said[1].signal_type == "CLOSE"


def history(last: float, ratio: float = 1.0) -> dict[str, Any]:
    daily = np.full((6, 2, 40), last)
    return {
        "daily": daily,
        "daily_sessions": np.arange(40, dtype=np.int32),
        "price_ratio": np.array([1.0, ratio]),
    }


def test_a_symbol_whose_history_has_no_known_ratio_is_frozen_and_said_so() -> None:
    stage = host(panels=history(100.0, math.nan))
    said = stage.tell(SessionStarted(ts_event=0, session="2018-03-05"), OPEN - MINUTE)
    assert [type(s) for s in said] == [StrategyChanged]
    noted, dropped = tell(stage, bars(0))
    assert noted.text == "IBM is frozen: no known ratio of the daily history to today's price"
    assert dropped.reason == "FROZEN"
    assert [s.reason for s in tell(stage, bars(1))] == ["FROZEN"]


def test_many_frozen_symbols_are_one_note_and_those_that_never_trade_are_not_named() -> None:
    names = ("AA", "BB", "CC", "DD", "EE", "FF", "GG", "ETF")
    panels = {
        "daily": np.full((6, 8, 40), 100.0),
        "daily_sessions": np.arange(40, dtype=np.int32),
        "price_ratio": np.full(8, math.nan),
    }
    facts = header(symbols=names, sectors=("ETF",) * 7 + ("",))
    silent = scripted(lambda s, b: ())
    stage = Stage(StrategyActor(silent, Section(name="told"), facts, panels), "told")
    said = tell(stage, bars(0, ids=(0, 1, 2, 3, 4, 5, 6)))
    assert [s.text for s in said] == [
        "7 symbols are frozen: no known ratio of the daily history to today's price: "
        "AA, BB, CC, DD, EE, and 2 more"
    ]
    assert tell(stage, bars(1, ids=(0, 1, 2, 3, 4, 5, 6))) == []


def liquid(sessions: int = 40) -> dict[str, Any]:
    daily = np.full((6, 2, sessions), 100.0)
    daily[4] = 100_000.0  # times 100 USD: exactly ten million a day
    return {"daily": daily, "daily_sessions": np.arange(sessions, dtype=np.int32)}


def frames(stage: Stage, spoken: dict[int, tuple[int, ...]]) -> dict[int, list[str]]:
    """Reasons of refusal by minute (none: it left), for frames of SPY alone or of both symbols."""
    told = {}
    for minute, ids in spoken.items():
        said = tell(stage, bars(minute, ids=ids))
        told[minute] = [s.reason for s in said if isinstance(s, SignalDropped)]
        for s in said:
            if isinstance(s, SignalRaised):
                drop = SignalDropped(
                    ts_event=0, cause=1, signal_id=s.id, strategy="told", symbol="IBM", status="rejected",
                    reason="X",
                )  # fmt: skip
                stage.tell(drop, stage.moment.now)
    return told


def test_a_liquid_symbol_without_a_bar_for_five_minutes_is_halted_until_it_traded_for_five() -> None:
    spoken = {m: (0, 1) if m <= 20 or m >= 27 else (0,) for m in range(40)}
    told = frames(host(panels=liquid()), spoken)
    # The bar of minute 20 is known at 21; five minutes later nothing came: halted when minute 25 is known.
    # The bar of minute 27 is known at 28; entries again from 33, when minute 32 is known.
    assert [m for m, reasons in told.items() if reasons == ["HALTED"]] == list(range(25, 32))
    assert all(not reasons for m, reasons in told.items() if not 25 <= m < 32)


def test_four_minutes_without_a_bar_are_no_halt() -> None:
    spoken = {m: (0, 1) if m <= 20 or m >= 25 else (0,) for m in range(40)}
    assert not any(frames(host(panels=liquid()), spoken).values())


def test_a_liquid_symbol_that_does_not_open_within_five_minutes_is_halted() -> None:
    spoken = {m: (0, 1) if m >= 8 else (0,) for m in range(20)}
    told = frames(host(panels=liquid()), spoken)
    assert [m for m, reasons in told.items() if reasons] == list(range(4, 13))


@runs_of(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=8), st.booleans())
def test_halts_by_silence_are_those_of_a_clock_that_watches_every_minute(
    runs: list[int], trades: bool
) -> None:
    present: list[bool] = []
    for run in runs:
        present += [trades] * run
        trades = not trades
    told = frames(host(panels=liquid()), {m: (0, 1) if has else (0,) for m, has in enumerate(present)})
    last, is_halted, resumed = 0, False, -5  # minutes at which a bar was known; the open counts as one
    for minute, has in enumerate(present):
        known = minute + 1
        if has:
            resumed = known if is_halted else resumed
            last, is_halted = known, False
        elif known - last >= 5:
            is_halted = True
        expected = ["HALTED"] if is_halted or known - resumed < 5 else []
        assert told[minute] == expected, minute


def test_a_thinly_traded_symbol_is_never_taken_for_halted() -> None:
    panels = liquid()
    panels["daily"][4, 1] = 99_999.0
    spoken = {m: (0, 1) if m <= 20 or m >= 27 else (0,) for m in range(40)}
    assert not any(frames(host(panels=panels), spoken).values())


def test_the_hosts_numbers_come_from_its_rules() -> None:
    rules = HostRules(intraday_life=7 * MINUTE, min_stop_ticks=300, cooldown_sessions=0)
    facts = header(next_open=at(9.5) + 24 * 60 * MINUTE, next_close=at(40))
    for stop, left in ((98.0, False), (97.0, True)):
        kind = scripted(lambda s, b, stop=stop: buys(s, b, stop=stop))
        stage = Stage(StrategyActor(kind, Section(name="told"), facts, {}, rules=rules), "told")
        said = tell(stage, bars(0))[0]
        assert isinstance(said, SignalRaised) == left
        if left:
            assert said.expires_at - said.ts_event == 7 * MINUTE
    stage.tell(lot("closed", "stop", quantity=0), OPEN + 2 * MINUTE)
    assert tell(stage, bars(5))[0].reason == "COOLDOWN"
    carried = stage.actor.carry()
    assert carried is not None and carried.cooldowns == {"IBM": 1}  # type: ignore[attr-defined]


def test_the_hosts_report_names_its_slots_unless_it_trades_nothing() -> None:
    started = SessionStarted(ts_event=0, session="2018-03-05")
    actor = StrategyActor(scripted(buys), Section(name="told"), header(), {}, quota=4)
    assert Stage(actor, "told").tell(started, OPEN)[0].slots == 4  # type: ignore[attr-defined]
    idle = StrategyActor(MeanReversionStrategy, Section(name="mr"), header(), {}, quota=4)
    assert Stage(idle, "mr").tell(started, OPEN)[0].slots == 0  # type: ignore[attr-defined]


def test_a_symbol_without_any_daily_history_is_not_frozen() -> None:
    panels = history(math.nan, math.nan)
    assert isinstance(tell(host(panels=panels), bars(0))[0], SignalRaised)


@pytest.mark.parametrize("split", [1 / 10, 1 / 5, 1 / 4, 1 / 3, 1 / 2, 2, 3, 5, 10])
@pytest.mark.parametrize(("off", "frozen"), [(0.991, True), (1.009, True), (0.97, False), (1.03, False)])
def test_an_overnight_move_near_a_split_ratio_freezes_the_symbol(
    split: float, off: float, frozen: bool
) -> None:
    stage = host(panels=history(100.0 / split / off))
    said = tell(stage, bars(0))
    assert (said[0].__class__ is Noted) == frozen
    assert (said[-1].reason == "FROZEN") == frozen


def test_intraday_lots_are_closed_when_market_close_begins_and_later_entries_refused() -> None:
    stage = host(scripted(buys, intraday=True))
    stage.tell(lot(intraday=True), OPEN + MINUTE)
    said = stage.tell(phase("MARKET_CLOSE"), at(15.75))
    assert [(s.signal_type, s.lot_id, s.reason) for s in said] == [
        ("CLOSE", "told-20180305-1", "session_end")
    ]  # type: ignore[attr-defined]
    assert tell(stage, bars(375))[0].reason == "LATE"


def test_an_entry_that_fills_after_market_close_began_is_closed_at_once() -> None:
    stage = host(scripted(buys, intraday=True))
    said = stage.tell(lot(intraday=True), at(15.8))
    assert [s.reason for s in said] == ["session_end"]  # type: ignore[attr-defined]


def test_a_lot_that_missed_its_close_is_closed_at_the_next_open() -> None:
    kind = scripted(buys, intraday=True)
    stage = host(kind)
    stage.tell(lot(intraday=True), OPEN + MINUTE)
    after = host(kind, stage.actor.carry(), day=1)  # type: ignore[arg-type]
    said = after.tell(phase("MARKET_OPEN"), OPEN + 24 * 60 * MINUTE)
    assert [s.reason for s in said] == ["missed_close"]  # type: ignore[attr-defined]


def test_a_lot_kept_over_night_is_left_alone_at_market_close() -> None:
    stage = host()
    stage.tell(lot(), OPEN + MINUTE)
    assert stage.tell(phase("MARKET_CLOSE"), at(15.75)) == []


def test_a_close_needs_a_holding_and_is_raised_once() -> None:
    stage = host(scripted(lambda s, _: iter([s.close("IBM", "told")])))
    assert tell(stage, bars(0))[0].reason == "NO_HOLDING"
    stage.tell(lot(), OPEN + MINUTE)
    assert tell(stage, bars(1))[0].signal_type == "CLOSE"
    assert tell(stage, bars(2))[0].reason == "DUPLICATE"


def test_a_paused_strategy_enters_nothing_and_stays_paused_over_night() -> None:
    stage = host()
    pause = StrategyPaused(ts_event=0, strategy="told", paused=True)
    assert [s.state for s in stage.tell(pause, OPEN)] == ["PAUSED"]  # type: ignore[attr-defined]
    assert tell(stage, bars(0))[0].reason == "PAUSED"
    assert tell(host(carried=stage.actor.carry(), day=1), bars(0, day=1))[0].reason == "PAUSED"  # type: ignore[arg-type]


def test_a_strategy_in_shadow_only_says_what_it_would_have_done() -> None:
    said = tell(host(shadow=True), bars(0))[0]
    assert said.reason == "SHADOW"
    assert "BUY 100 stop 98.0 target 104.0" in said.detail


def test_below_eighty_per_cent_of_the_daily_bars_the_strategy_is_degraded() -> None:
    stage = host()
    stage.tell(DailyBars.of([1], [[1.0]] * 5, ts_event=0, session="2018-03-05"), at(16.3))
    said = stage.tell(DailyReady(ts_event=0, session="2018-03-05", coverage=0.79), at(16.3))
    assert [(s.state, s.reason) for s in said] == [("DEGRADED", "COVERAGE 0.790")]  # type: ignore[attr-defined]
    assert host().tell(DailyReady(ts_event=0, session="2018-03-05", coverage=0.8), at(16.3)) == []


def test_after_the_close_a_signal_waits_for_the_next_session() -> None:
    stage = host()
    said = stage.tell(bars(400), at(16.3))[0]
    assert isinstance(said, SignalRaised)
    assert said.not_before == at(9.5) + 24 * 60 * MINUTE + 5 * MINUTE
    assert said.expires_at == at(9.5) + 24 * 60 * MINUTE + 60 * MINUTE


@given(st.integers(1, 7), st.integers(0, 7))
def test_holdings_survive_the_session_as_they_are(quantity: int, runs: int) -> None:
    stage = host()
    stage.tell(lot(quantity=quantity), OPEN + MINUTE)
    for _ in range(runs):
        stage.tell(DailyReady(ts_event=0, session="2018-03-05", coverage=1.0), at(16.3))
    carried = stage.actor.carry()
    assert isinstance(carried, StrategyCarried)
    encoded = msgspec.msgpack.decode(msgspec.msgpack.encode(carried), type=StrategyCarried)
    held = host(carried=encoded, day=1).actor.carry().holdings  # type: ignore[union-attr]
    assert held == carried.holdings
    assert [(type(h), h.quantity, h.sessions) for h in held] == [(Holding, quantity, runs)]


def test_a_symbol_that_joins_during_the_session_can_be_traded() -> None:
    def buys_new(strategy: Strategy, frame: Bars) -> Iterator[SignalRaised]:
        if frame.ids[-1] == 2:
            yield strategy.buy(2, stop=98.0, target=104.0, reason="told")

    stage = host(scripted(buys_new), panels=history(100.0))
    stage.tell(SymbolAdded(ts_event=0, symbol="NEW", id=2), OPEN)
    assert [s.symbol for s in tell(stage, bars(0, ids=(0, 1, 2)))] == ["NEW"]
