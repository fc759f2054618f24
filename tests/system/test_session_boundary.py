"""What crosses a session does so as `carried` alone: a run cut at a boundary is the run that was not cut."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.gateways.replay_feed import TapeSession
from actors.verification import verify
from runtime.messages.base import Input, Message
from runtime.messages.risk import PhaseChanged
from tests.system import days, recordings


@pytest.fixture(scope="module")
def tapes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    paths, summary = recordings.record(recordings.demo_market(), tmp_path_factory.mktemp("tapes"))
    assert summary.fills > 50
    return paths


@pytest.fixture(scope="module")
def whole(tapes: list[Path]) -> tuple[recordings.Summary, recordings.Rows, recordings.DecisionLog]:
    log = recordings.DecisionLog()
    summary, rows = recordings.replay(tapes, observers=[log])
    return summary, rows, log


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_two_processes_write_the_books_of_one(tapes, whole, tmp_path: Path, cut: int) -> None:
    _, expected, log = whole
    halves = recordings.DecisionLog()
    recordings.replay(tapes[:cut], tmp_path, [halves])
    _, rows = recordings.replay(tapes[cut:], tmp_path, [halves])
    assert rows == expected
    assert halves.entries == log.entries


def test_a_process_for_every_session_writes_the_books_of_one(tapes, whole, tmp_path: Path) -> None:
    _, expected, log = whole
    pieces = recordings.DecisionLog()
    for tape in tapes:
        _, rows = recordings.replay([tape], tmp_path, [pieces])
    assert rows == expected
    assert pieces.entries == log.entries


def test_every_tape_verifies_under_its_own_header(tapes) -> None:
    for tape in tapes:
        verdict = verify(tape)
        assert verdict.identical, verdict.text()


def test_of_several_tapes_the_first_header_counts_and_the_run_s_own_state_goes_on(
    tapes, whole, tmp_path: Path
) -> None:
    _, _, log = whole
    # The second day once more, recorded by a run that had nothing behind it.
    (fresh,), alone = recordings.record(recordings.demo_market()[1:2], tmp_path)
    assert TapeSession(fresh).header.carried == {}
    together, _ = recordings.replay([tapes[0], tapes[1]])
    mixed = recordings.DecisionLog()
    summary, _ = recordings.replay([tapes[0], fresh], observers=[mixed])
    assert summary.decisions_sha256 == together.decisions_sha256
    assert mixed.entries == log.entries[: len(mixed.entries)]
    by_itself, _ = recordings.replay([fresh])
    assert by_itself.decisions_sha256 == alone.decisions_sha256
    second, _ = recordings.replay([tapes[1]])
    assert second.decisions_sha256 != alone.decisions_sha256  # it goes on from its header's day before
    assert second.equity_start == pytest.approx(together_after_first(tapes), abs=0.01)
    for tape in (fresh, tapes[1]):
        assert verify(tape).identical


def together_after_first(tapes: list[Path]) -> float:
    return recordings.replay(tapes[:1])[0].equity_end


def test_a_phase_that_begins_when_a_minute_is_known_begins_before_that_minute_is_heard() -> None:
    """15:45:00 is when the bars of 15:44 become known, too: in a playback the clock speaks first."""
    made = recordings.demo_market()[0]
    due = made.close - 15 * 60_000_000_000
    told: list[str] = []

    def watch(seq: int, at: int, message: Input, caused: Sequence[Message], /) -> None:
        if at == due:
            told.append(type(message).__name__)
            told.extend(f"-> {one.phase}" for one in caused if isinstance(one, PhaseChanged))

    days.play([made], days.settings(recordings.DEMO), observers=[watch])
    assert told[:2] == ["TimerFired", "-> MARKET_CLOSE"]
    assert told.count("Bars") == 1
