"""What a person is not kept waiting for, a busy machine may take: in tests one waits longer."""

import sys

import pytest

from tests.walls import WALL_S
from tui import wire
from tui.commands import engine, live, resume


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """For an answer of an engine; tests of what happens without one set their own."""
    monkeypatch.setattr(engine.ask, "__defaults__", (WALL_S,))
    monkeypatch.setattr(live.frame_of, "__defaults__", (WALL_S,))
    monkeypatch.setattr(resume, "_PATIENCE", WALL_S)
    monkeypatch.setattr(wire, "_PATIENCE", WALL_S)
    monkeypatch.setitem(wire.Link.ask.__kwdefaults__, "patience", WALL_S)
    if (keys := sys.modules.get("tui.kill_keys")) is not None:  # a screen is at work here
        monkeypatch.setattr(keys, "_PATIENCE", WALL_S)
