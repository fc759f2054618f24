"""Engines killed at random moments of a busy session, each started again under other settings, accepted."""

import random
from pathlib import Path

import pytest

from tests.faults.kill_live import Figures, Round, busy_round, nursery
from tui.commands import exits

KILLS = 5
CHANGES = (
    "orders.partial_entry_protect_s=4.0",
    "limits.duplicate_window_s=7.0",
    "ensemble.quality_gate=0.05",
)


def _words(number: int) -> list[str]:
    return [
        "--set",
        CHANGES[number % len(CHANGES)],
        "--set",
        f"strategies.chance.params.entries={450 - number}",
    ]


def _refused(one: Round) -> str:
    """What a start says that accepts nothing."""
    before = len(one.log.read_text())
    assert one.bears.wait(one.start()) == exits.DATA
    return one.log.read_text()[before:]


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_killed_and_changed_again_and_again_nothing_is_sent_twice_lost_or_left_in_doubt(tmp_path: Path):
    chance = random.Random(11)
    figures = Figures(points={}, missed=[], ready_ms=[], wrong=[])
    with nursery() as bears, busy_round(bears, tmp_path, figures, 11) as one:
        pid = one.start()
        assert one.until(one.is_ready), one.log.read_text()[-2_000:]
        assert one.until(lambda: len(one.hosted.server.broker.executions) > 5), "nothing trades"
        one.kill(pid)
        for number in range(1, KILLS):
            one.words = _words(number)
            told = _refused(one)
            assert f"strategies.chance.params.entries was {'500' if number == 1 else 451 - number}" in told
            assert "--accept-change" in told
            one.words.append("--accept-change")
            one.dies_after(chance.uniform(0.3, 1.5), ready=True)
            if number % 2:
                one.words.remove("--accept-change")  # a plain start after a crash of the changed engine
                one.dies_after(0.4, ready=True)
        one.settle()
        said = one.log.read_text()
        assert [path.name for path in one.tapes()][:2] == ["2026-11-20.tape", "2026-11-20.2.tape"]
        assert len(one.tapes()) == KILLS
        assert said.count("goes on as part") == KILLS - 1
    assert figures.wrong == []
    assert figures.fills > 5
