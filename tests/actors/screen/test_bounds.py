"""What comes from outside is told in bounded rows, however long it is."""

import json
import subprocess
import sys
from pathlib import Path

from actors.screen.feed import Feed
from actors.screen.frames import Frames, Looks
from actors.screen.state import ScreenState
from config.schema import Settings
from runtime.error_sink import ErrorEntry
from runtime.messages.broker import (
    BrokerOrder,
    BrokerPosition,
    BrokerSnapshot,
    BrokerStreamChanged,
    OrderChanged,
)
from runtime.messages.market import FeedChanged
from runtime.messages.risk import HaltThrown, Noted
from runtime.messages.screen_wire import Wire, pack, unpack
from runtime.messages.trading import SignalDropped, SignalRaised
from tests.actors.days import header

HUGE = "\x1b]52;c;x\x07[/]" + "x" * 1_000_000
ROOT = Path(__file__).resolve().parents[3]


def everything() -> list[object]:
    order = OrderChanged(
        ts_event=1, cause=1, client_order_id="a:e1", broker_order_id="b", lot_id="a", strategy="gap_fill",
        symbol="SPY", side="buy", role="entry", type="limit", status="rejected", quantity=1, filled=0,
        reason=HUGE,
    )  # fmt: skip
    signal = SignalRaised(
        ts_event=1, cause=1, id="a", strategy="gap_fill", symbol="SPY", signal_type="BUY", direction="long",
        strength=1.0, confidence=1.0, price=1.0, stop_loss=None, take_profit=None, expires_at=9, reason=HUGE,
        params_hash="",
    )  # fmt: skip
    return [
        signal,
        order,
        SignalDropped(
            ts_event=1, cause=1, signal_id="a", strategy="gap_fill", symbol="SPY", status="rejected",
            reason=HUGE, detail=HUGE,
        ),
        FeedChanged(ts_event=1, stream="bars", up=False, reason=HUGE),
        BrokerStreamChanged(ts_event=1, ready=False, reason=HUGE),
        HaltThrown(ts_event=1, reason=HUGE),
        Noted(ts_event=1, cause=1, level="ERROR", component="x", text=HUGE),
        BrokerSnapshot(
            ts_event=1,
            positions=(BrokerPosition(symbol="SPY", quantity=1, price=1.0),),
            orders=(
                BrokerOrder(
                    client_order_id="f", broker_order_id="f", symbol=HUGE, side=HUGE, quantity=1, filled=0,
                    status=HUGE, type=HUGE, is_ours=False,
                ),
            ),
        ),
    ]  # fmt: skip


def test_megabytes_from_outside_make_a_small_frame() -> None:
    state = ScreenState(header(), Settings())
    feed = Feed(state)
    for number, message in enumerate(everything()):
        feed(number, number, message, ())  # type: ignore[arg-type]
    feed.entry(
        ErrorEntry(
            id="1",
            timestamp=1,
            level="ERROR",
            logger_name="x",
            message=HUGE,
            exception_traceback=HUGE + "\ud800",
        )
    )
    frames = Frames(
        feed,
        Looks(now=int, real=int, actors=dict, gauges=list),
        mode="PAPER",
        account="",
        root="",
        pid=1,
    )
    while frames.fold():
        pass
    packed = pack(Wire(frame=frames.changes()))
    assert len(packed) < 32_000
    assert unpack(packed[4:]).frame is not None


def test_two_thousand_messages_a_second_and_a_client_that_never_reads_leave_the_loop_its_steps() -> None:
    for _ in range(6):  # on a crowded machine even CPU time has an outlier, and frames wait for their turn
        found = loop_figures()
        if found["longest_step_ms"] < 5.0 and found["frames"] >= 5:
            break
    assert found["longest_step_ms"] < 5.0, found
    assert found["frames"] >= 5
    assert found["dropped"] > 0


def loop_figures() -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.bench_screen", "--loop", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
