"""A strategy that is rebuilt at any message says the same afterwards; idle frames cost next to nothing."""

import time
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest

from actors.strategies.base import Strategy
from actors.strategies.gap_fill import GapFillStrategy
from actors.strategies.relative_volume_breakout import RelativeVolumeBreakout
from actors.strategy import StrategyActor
from runtime.kernel.actor import Moment
from runtime.kernel.cell import ActorSpec, Cell
from runtime.messages.base import Message
from runtime.messages.codec import encode
from runtime.messages.machine import ActorCrashed, SessionStarted
from runtime.messages.market import Bars
from runtime.messages.risk import PhaseChanged
from runtime.messages.trading import LotChanged, SignalRaised
from tests.samples.sma_cross import SmaCross

from .recorded import MINUTE, Day, Section, needs_data, october

pytestmark = needs_data

CASES: list[tuple[type[Strategy], Section]] = [
    (
        RelativeVolumeBreakout,
        Section(name="rvb", intraday=True, params={"rv_min": 0.0, "rv_min_days": 0, "body_min": 0.0}),
    ),
    (GapFillStrategy, Section(name="gap", params={"universe": ["SPY", "AIG"], "gate": "open"})),
    (SmaCross, Section(name="sma", params={"fast": 3, "slow": 8})),
]


@cache
def days() -> tuple[Day, ...]:
    return october()


def cell(kind: type[Strategy], section: Section, day: Day) -> Cell:
    def build(_: bytes | None) -> StrategyActor:
        return StrategyActor(kind, section, day.header, day.panels, None, allow_short=True)

    return Cell(
        ActorSpec(name=section.name, rank=100, build=build, private=True), 0, Moment(), None, bytearray()
    )


def filled(signal: SignalRaised, now: int, closed: bool, role: Any) -> LotChanged:
    return LotChanged(
        ts_event=now, cause=1, lot_id=signal.lot_id or signal.id, signal_id=signal.lot_id or signal.id,
        strategy=signal.strategy, symbol=signal.symbol, direction=signal.direction,
        state="closed" if closed else "open", quantity=0 if closed else 10, entry_quantity=10,
        entry_price=signal.price, entry_ts=now, stop_loss=signal.stop_loss, take_profit=signal.take_profit,
        intraday=signal.intraday, fill_quantity=10, fill_price=signal.price, execution_id="x",
        client_order_id="c", role=role, realised=0.0, commission=0.0, slippage=0.0,
    )  # fmt: skip


def inbox(kind: type[Strategy], section: Section, day: Day) -> list[tuple[int, Message]]:
    """A day's messages: every entry fills a minute later, every close too, and phases change."""
    phases: list[tuple[int, Message]] = [
        (row.ts, PhaseChanged(ts_event=row.ts, cause=1, phase=row.phase, previous="OVERNIGHT"))
        for row in day.header.phases
    ]
    start = SessionStarted(ts_event=day.header.starts, session=day.header.session)
    frames: list[tuple[int, Message]] = [(frame.ts_event + MINUTE, frame) for frame in day.frames]
    feed = sorted([(day.header.starts, start), *phases, *frames], key=lambda item: item[0])
    trial, messages, due = cell(kind, section, day), [], []
    for now, message in feed:
        for fill in due:
            messages.append((now, fill))
            trial.moment.now = now
            trial.run(fill)
        due = []
        if type(message) not in trial.handlers:
            continue
        messages.append((now, message))
        trial.moment.now = now
        said = trial.run(message)
        assert not isinstance(said, ActorCrashed), said
        for signal in said:
            if isinstance(signal, SignalRaised):
                closes = signal.signal_type == "CLOSE"
                due.append(filled(signal, now, closes, "exit" if closes else "entry"))
                if closes and not signal.lot_id:
                    lot = next(
                        h.lot_id for h in trial.actor._context.holdings.values() if h.symbol == signal.symbol
                    )  # type: ignore[attr-defined]
                    due[-1] = msgspec.structs.replace(due[-1], lot_id=lot, signal_id=lot)
    return messages


def says(trial: Cell, messages: list[tuple[int, Message]], restart_at: int | None = None) -> list[bytes]:
    said = []
    for number, (now, message) in enumerate(messages):
        if number == restart_at:
            trial.restart()
        trial.moment.now = now
        trial.moment.seq = number
        result = trial.run(message)
        assert not isinstance(result, ActorCrashed)
        said.append(b"".join(encode(answer) for answer in result))
    return said


@pytest.mark.parametrize(("kind", "section"), CASES, ids=[section.name for _, section in CASES])
def test_a_restart_at_any_message_changes_nothing_that_follows(
    kind: type[Strategy], section: Section
) -> None:
    day = days()[5]
    messages = inbox(kind, section, day)
    whole = says(cell(kind, section, day), messages)
    assert sum(map(bool, whole)) >= 3
    busy = [number for number, said in enumerate(whole) if said]
    opened = next(n for n, (now, _) in enumerate(messages) if now > day.header.open)
    for at in sorted(
        {0, 1, opened, opened + 3, *busy[:4], *(n + 1 for n in busy[:4]), busy[-1], len(messages) - 1}
    ):
        trial = cell(kind, section, day)
        assert says(trial, messages, min(at, len(messages) - 1)) == whole


@pytest.mark.parametrize(("kind", "section"), CASES[:2], ids=["rvb", "gap"])
def test_an_intraday_strategy_enters_nothing_once_market_close_began(
    kind: type[Strategy], section: Section
) -> None:
    for day in days():
        trial = cell(kind, section, day)
        messages = inbox(kind, section, day)
        for (now, _), said in zip(messages, says(trial, messages), strict=True):
            if said and now > day.header.close - 15 * MINUTE:
                assert b"CLOSE" in said
        assert not trial.actor._context.holdings  # type: ignore[attr-defined]


def test_the_sample_crosses_with_a_few_bars_of_history_and_fits_on_a_page() -> None:
    import inspect

    source = inspect.getsource(SmaCross)
    assert len(source.splitlines()) <= 25
    kind, section = CASES[2]
    raised = [
        answer.signal_type
        for day in days()[:1]
        for answer in _answers(cell(kind, section, day), inbox(kind, section, day))
        if isinstance(answer, SignalRaised)
    ]
    assert raised.count("BUY") > 10
    assert raised.count("CLOSE") > 10


def _answers(trial: Cell, messages: list[tuple[int, Message]]) -> list[Message]:
    answers: list[Message] = []
    for now, message in messages:
        trial.moment.now = now
        result = trial.run(message)
        assert not isinstance(result, ActorCrashed)
        answers.extend(result)
    return answers


@pytest.mark.parametrize(("kind", "section"), CASES[:2], ids=["rvb", "gap"])
def test_an_idle_frame_costs_microseconds(kind: type[Strategy], section: Section) -> None:
    """Goal 5 µs a frame outside the active window; five times that fails on any machine."""
    day = days()[0]
    trial = cell(kind, section, day)
    _answers(
        trial, [(f.ts_event + MINUTE, f) for f in day.frames if f.ts_event < day.header.open + 20 * MINUTE]
    )
    frame = Bars.of(
        np.arange(4, dtype=np.int32), np.full((7, 4), 100.0), ts_event=day.header.open + 200 * MINUTE
    )
    handle = trial.handlers[Bars]
    best = 1.0
    for _ in range(20):
        begun = time.thread_time()  # of this thread alone, whoever else wants the processor
        for _ in range(500):
            handle(frame)
        best = min(best, (time.thread_time() - begun) / 500)
    assert best < 25e-6
    print(f"{section.name}: {best * 1e6:.2f} us")
