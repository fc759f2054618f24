"""The same inputs give the same decisions: twice, under other hash seeds, across a crash, cut in two."""

import os
import subprocess
import sys

import pytest

from actors.gateways.replay_feed import MadeSession
from actors.playback import Playback
from runtime.messages.risk import EquityMarked
from tests.system import days

pytestmark = days.needs_data


def test_two_runs_decide_the_same() -> None:
    sessions = days.february_2018()[:6]
    assert days.play(sessions).summary == days.play(sessions).summary


_SCRIPT = """
from tests.system import days
print(days.play(days.february_2018("2018-02-23")).summary.decisions_sha256)
"""


def test_hash_seeds_do_not_matter() -> None:
    found = set()
    for seed in ("0", "1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            cwd=days.GOLDEN_PROFILE.parents[1],
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout.strip())
    assert len(found) == 1
    assert len(found.pop()) == 64


@pytest.mark.parametrize(
    ("actor", "ignored"), [("relative_volume_breakout", EquityMarked), ("mean_reversion", EquityMarked)]
)
def test_a_strategy_does_not_even_see_what_it_does_not_handle(actor: str, ignored: type) -> None:
    from actors import system

    session = MadeSession(days.february_2018()[0])
    specs = system.build(days.settings(), session.header, session.panels, simulated=True)
    spec = next(spec for spec in specs if spec.name == actor)
    assert ignored not in spec.build(None).bound_handlers()


@pytest.mark.parametrize("actor", ["relative_volume_breakout", "portfolio", "ensemble", "simulated_broker"])
def test_a_crash_on_a_message_that_changed_nothing_changes_no_decision(
    monkeypatch: pytest.MonkeyPatch, actor: str
) -> None:
    sessions = days.february_2018()[:5]
    calm = days.play(sessions).summary
    # The last frames of a session move no order: nothing rests, nothing may enter any more.
    last_minute = sessions[2].close - 60_000_000_000
    met = days.crashing(
        monkeypatch,
        actor,
        lambda m: type(m).__name__ == "Bars" and m.ts_event == last_minute - 60_000_000_000,
    )
    shaken = days.play(sessions).summary
    assert met == ["Bars"]
    assert shaken.errors == calm.errors + 1
    if actor != "portfolio":  # whose mark of that minute is a message of its own
        assert shaken.decisions_sha256 == calm.decisions_sha256
    assert shaken.equity_end == calm.equity_end


def test_a_run_cut_at_a_session_boundary_goes_on_as_if_nothing_had_happened() -> None:
    sessions = [MadeSession(session) for session in days.february_2018()[:6]]
    whole = Playback(days.settings(), books="x")
    whole.run(sessions)
    first = Playback(days.settings(), books="x")
    first.run(sessions[:3])
    sessions[3].header = days_header(sessions[3], first)
    second = Playback(days.settings(), books="x")
    summary = second.run(sessions[3:])
    assert second.carried == whole.carried
    assert summary.sessions == 3


def days_header(session: MadeSession, run: Playback) -> object:
    import msgspec

    return msgspec.structs.replace(session.header, carried=run.carried)
