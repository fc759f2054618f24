"""`demo`: what it leaves, and what it leaves alone."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.gateways.replay_feed import MadeSession
from storage.tape import info
from tests.demo_run import demo, tapes
from tests.storage.tape.made import tape as made_tape
from tui.commands import exits
from tui.commands.main import main

Captured = pytest.CaptureFixture[str]


def call(*words: object) -> int:
    return main([str(word) for word in words])


def test_the_demo_leaves_compressed_tapes_that_play_alike(tmp_path: Path, capsys: Captured) -> None:
    root, summary = demo()
    assert len(tapes()) == summary["sessions"] >= 5
    assert not list((root / "tapes").glob("*.tape"))
    assert call("replay", *tapes(), "--root", tmp_path, "--json") == exits.OK
    again = json.loads(capsys.readouterr().out)
    same = ("sessions", "inputs", "bars", "messages", "signals", "orders", "fills", "trades_closed")
    same += ("equity_start", "equity_end", "breaker_trips", "errors", "decisions_sha256")
    assert {name: again[name] for name in same} == {name: summary[name] for name in same}
    assert call("replay", "--verify", *tapes()) == exits.OK


def test_the_demos_books_are_not_empty(capsys: Captured) -> None:
    root, summary = demo()
    assert len(summary["regimes_seen"]) >= 3
    assert call("report", "--root", root, "--json") == exits.OK
    found = json.loads(capsys.readouterr().out)
    assert {"stop", "target"} <= {exit["exit_reason"] for exit in found["exits"]}
    assert {"executed", "rejected"} <= {signal["status"] for signal in found["signals"]}
    assert len({breaker["breaker_type"] for breaker in found["breakers"]}) >= 2
    assert any(not breaker["is_active"] for breaker in found["breakers"])
    crashed = {(error["component"], error["level"]) for error in found["errors"]}
    assert {("stumbler", "ERROR"), ("stumbler", "WARNING")} <= crashed


@pytest.mark.parametrize("seed", ["-1", "seven", "1.5", ""])
def test_a_seed_is_a_whole_number(seed: str, capsys: Captured) -> None:
    assert call("demo", f"--seed={seed}") == exits.USAGE
    assert "must be a whole number of at least 0" in capsys.readouterr().err


def test_without_books_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADING_SYSTEM_ROOT", str(tmp_path))
    assert call("demo", "--no-books", "--json") == exits.OK
    assert not list(tmp_path.iterdir())


def press_at(wanted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, count = MadeSession.inputs, [0]

    def pressed(self: MadeSession) -> Iterator[Any]:
        for found in inputs(self):
            count[0] += 1
            if count[0] == wanted:
                signal.raise_signal(signal.SIGINT)
            yield found

    monkeypatch.setattr(MadeSession, "inputs", pressed)


def test_an_interrupted_demo_leaves_readable_books_and_tapes_and_the_next_starts_afresh(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        press_at(700, patched)
        assert call("demo", "--root", tmp_path) == exits.INTERRUPTED
    assert capsys.readouterr().err.startswith("stopped in the session ")
    assert call("status", "--root", tmp_path) == exits.OK
    first, second = sorted((tmp_path / "tapes").glob("*.tape*"))
    assert first.name.endswith(".tape.zst")
    assert second.name.endswith(".tape")
    found = info(second)
    assert (found.closed, found.torn, found.unfinished) == (False, "", False)
    assert call("replay", "--verify", first, second) == exits.OK
    capsys.readouterr()
    assert call("demo", "--root", tmp_path, "--json") == exits.OK
    again = json.loads(capsys.readouterr().out)
    assert again["decisions_sha256"] == demo()[1]["decisions_sha256"]


def test_a_wrong_setting_leaves_the_last_demo_alone(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "trades.db").touch()
    for setting in ("a.b=1", "strategies.stumbler.class=nowhere:Any", "account.max_positions=0"):
        assert call("demo", "--root", tmp_path, "--set", setting) == exits.CONFIG
        assert (tmp_path / "db" / "trades.db").exists()


def test_tapes_that_no_demo_made_are_left_alone(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "tapes").mkdir()
    path = made_tape(tmp_path / "tapes")
    assert call("demo", "--root", tmp_path) == exits.DATA
    assert f"error: {path} is no demo's tape" in capsys.readouterr().err
    assert path.exists()
