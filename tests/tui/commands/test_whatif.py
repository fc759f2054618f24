"""`replay TAPE --set`: what other settings would have changed, for people and as data."""

import json
from typing import Any

import pytest

from storage.readers.difference import Order, Taken, Trade, difference
from tests.demo_run import tapes
from tui.commands import exits
from tui.commands.main import main

Captured = pytest.CaptureFixture[str]
WITHOUT_GAPS = "strategies.gap_fill.enabled=false"


def replayed(capsys: Captured, *words: str) -> tuple[dict[str, Any], str]:
    tape = str(tapes()[0])
    assert main(["replay", tape, "--no-books", "--headless", *words]) == exits.OK
    said = capsys.readouterr().out
    return (json.loads(said.splitlines()[-1]) if "--json" in words else {}), said


def test_orders_of_one_run_only_and_both_results_are_told(capsys: Captured) -> None:
    plain, _ = replayed(capsys, "--json")
    assert "difference" not in plain
    other, _ = replayed(capsys, "--json", "--set", WITHOUT_GAPS)
    found = other["difference"]
    gone = {one["strategy"] for one in found["only_before"]}
    assert "gap_fill" in gone
    assert not any(one["strategy"] == "gap_fill" for one in found["only_after"])
    assert found["total"]["before"]["closed"] == plain["trades_closed"]
    assert found["total"]["after"]["closed"] == other["trades_closed"]
    before = found["strategies"]["gap_fill"]["before"]
    assert before["trades"] > 0
    assert found["strategies"]["gap_fill"]["after"]["trades"] == 0
    total = sum(each["before"]["pnl"] for each in found["strategies"].values())
    assert total == pytest.approx(found["total"]["before"]["pnl"])


def test_the_difference_is_printed_for_people(capsys: Captured) -> None:
    _, said = replayed(capsys, "--set", WITHOUT_GAPS)
    assert "against the tape's own settings" in said
    assert "orders no longer sent" in said
    assert "gap_fill" in said


def test_a_setting_that_changes_no_trade_says_so(capsys: Captured) -> None:
    _, said = replayed(capsys, "--set", "tapes.keep_days=7")
    assert "no order and no trade differs" in said


def test_a_trade_that_ends_otherwise_is_told_with_both_ends() -> None:
    order = Order("a:e1", "a", "SPY", "buy", "market", 10, "filled", 10, 100.0)
    one = Trade("a", "a", "SPY", "long", 10, 100.0, 101.0, "target", "CLOSED", 10.0, 0.0)
    other = Trade("a", "a", "SPY", "long", 10, 100.0, 99.0, "stop", "CLOSED", -10.0, 0.0)
    found = difference(Taken({"a:e1": order}, {"a": one}), Taken({"a:e1": order}, {"a": other}))
    assert found.changed == ((one, other),)
    assert (found.total.before.pnl, found.total.after.pnl) == (10.0, -10.0)
    assert (found.total.before.won, found.total.after.won) == (1, 0)
    assert not found.is_nothing
    assert not (found.only_before or found.only_after)
