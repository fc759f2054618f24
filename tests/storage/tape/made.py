"""Small tapes for tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from runtime.messages.base import Command, Input
from runtime.messages.broker import CancelOrder
from runtime.messages.machine import ActorCrashed, SessionStarted, Source, TimerFired
from runtime.messages.market import Bars
from runtime.messages.session import PanelRef, PhaseStart, SessionHeader
from storage.tape import TapeWriter

MINUTE = 60_000_000_000


def header(session: str = "2018-02-16", panels: dict[str, PanelRef] | None = None) -> SessionHeader:
    return SessionHeader(
        session=session,
        previous="2018-02-15",
        next="2018-02-20",
        starts=10,
        open=20,
        close=30,
        ends=40,
        early_close=False,
        phases=(PhaseStart(phase="TRADING", ts=20),),
        settings={"risk": {"daily_loss": 0.02}},
        settings_hash="abc",
        symbols=("SPY", "IBM"),
        sectors=("", "XLK"),
        carried={"portfolio": b"\x01\x02"},
        panels=panels or {},
        books="replay:test",
    )


def bars(minute: int) -> Bars:
    return Bars.of([0, 1], np.full((5, 2), 100.0 + minute), ts_event=minute * MINUTE)


def crash(seq: int) -> ActorCrashed:
    return ActorCrashed(
        ts_event=seq,
        cause=seq,
        actor="sample",
        ordinal=2,
        message_type="Bars",
        message_digest="ab" * 16,
        error="ValueError: no",
        traceback='File "/home/me/secret.py", line 3',
        source_file="/home/me/secret.py",
        line_number=3,
    )


def cancel(seq: int, name: str = "o-1") -> CancelOrder:
    return CancelOrder(
        ts_event=seq, cause=seq, client_order_id=name, broker_order_id="b", lot_id="l", symbol="SPY"
    )


def inputs(count: int) -> list[tuple[Source, Input]]:
    """A start, then bars and timers in turn."""
    made: list[tuple[Source, Input]] = [("machine", SessionStarted(ts_event=10, session="2018-02-16"))]
    for n in range(1, count):
        if n % 3:
            made.append(("market", bars(n)))
        else:
            made.append(("timer", TimerFired(ts_event=n * MINUTE, actor="ensemble", key="k")))
    return made


def record(
    writer: TapeWriter, seq: int, source: Source, message: Input, commands: Sequence[Command] = ()
) -> None:
    """One input with what it caused."""
    writer.input(seq, seq * MINUTE, source, message)
    for command in commands:
        writer.command(seq, command)
    writer.caused(seq, seq % 2, b"" if seq % 2 == 0 else bytes([seq % 256]) * 16)


def tape(directory: Path, count: int = 6, *, closed: bool = True, session: str = "2018-02-16") -> Path:
    """A tape of `count` inputs; the third caused a crash, the fourth two commands."""
    path = directory / f"{session}.tape"
    writer = TapeWriter(path, header(session), durable=True)
    for seq, (source, message) in enumerate(inputs(count), start=1):
        writer.input(seq, seq * MINUTE, source, message)
        if seq == 3:
            writer.crash(crash(3))
        if seq == 4:
            writer.command(4, cancel(4, "o-1"))
            writer.command(4, cancel(4, "o-2"))
        writer.caused(seq, seq % 2, b"" if seq % 2 == 0 else bytes([seq % 256]) * 16)
    if closed:
        writer.close()
    else:
        writer.abandon()
    return path
