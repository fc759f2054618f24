"""An engine that tells when each step of its start was done.

`python -m tests.benchmarks.start_process FILE ...` is `python -m runtime ...` with a stopwatch beside it.
Once both streams are up and the account has been compared, FILE gets one JSON object: milliseconds of wall
time since the parent started it (`BEGUN`, ns of the monotonic clock) and of the process's CPU time, by step;
steps lie inside each other where the names do.
"""

import functools
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STEPS = {
    "history": "actors.live_session:make_start",
    "history.asked": "actors.live_session:_first_days",
    "history.daily": "actors.live_session:load_daily",
    "history.minutes": "storage.loaders.own_minutes:OwnMinutes.read",
    "history.panels": "actors.live_session:_panels",
    "tape": "actors.engine:open_tape",
    "tape.panels": "storage.panels:PanelStore.put",
    "tape.actors": "actors.system:build",
    "tape.screen": "actors.engine:LiveScreen",
    "tape.fed_again": "actors.live_tape:refeed",
    "assemble": "actors.engine:Engine._assemble",
}
"""Functions that are timed, by name of the step."""


class Watch:
    """Writes down what has been done."""

    def __init__(self, into: Path) -> None:
        self._into = into
        self._begun = int(os.environ["BEGUN"])
        self.steps: dict[str, dict[str, float]] = {}
        self.reached: dict[str, dict[str, float]] = {}
        self._up: set[str] = set()

    def reach(self, name: str) -> None:
        """A moment of the start."""
        wall = (time.monotonic_ns() - self._begun) / 1e6
        self.reached.setdefault(name, {"wall": round(wall), "cpu": round(time.process_time() * 1e3)})

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its cost added up."""

        @functools.wraps(function, updated=())
        def run(*words: Any, **named: Any) -> Any:
            wall, cpu = time.monotonic(), time.process_time()
            try:
                return function(*words, **named)
            finally:
                told = self.steps.setdefault(name, {"wall": 0, "cpu": 0})
                told["wall"] += round((time.monotonic() - wall) * 1e3)
                told["cpu"] += round((time.process_time() - cpu) * 1e3)

        return run

    def install(self) -> None:
        """Time the steps, and look on."""
        for name, place in STEPS.items():
            module, _, path = place.partition(":")
            owner: Any = importlib.import_module(module)
            *outer, last = path.split(".")
            for part in outer:
                owner = getattr(owner, part)
            setattr(owner, last, self.timed(name, getattr(owner, last)))
        from actors.live_outlet import Outlet

        see = Outlet.__call__

        def seen(outlet: Outlet, seq: int, at: int, message: Any, caused: Any, /) -> None:
            see(outlet, seq, at, message, caused)
            self.look(message)

        Outlet.__call__ = seen  # type: ignore[method-assign]

    def look(self, message: Any) -> None:
        """Is everything there now."""
        name = type(message).__name__
        if name == "FeedChanged" and message.up:
            self._up.add("market stream up")
        elif name == "BrokerStreamChanged" and message.ready:
            self._up.add("order stream ready")
        elif name == "BrokerSnapshot":
            self._up.add("account compared")
        for each in self._up:
            self.reach(each)
        if len(self._up) == 3 and "all up" not in self.reached:
            self.reach("all up")
            told = json.dumps({"reached": self.reached, "steps": self.steps})
            draft = self._into.with_suffix(".draft")
            draft.write_text(told)
            draft.rename(self._into)


def main() -> int:
    """Start."""
    watch = Watch(Path(sys.argv[1]))
    watch.reach("interpreter")
    from tui.commands import trade
    from tui.commands.main import main as program

    begin, greet = trade._trade, trade._greet

    async def trading(*words: Any) -> int:
        watch.reach("settings")
        importlib.import_module("actors.live_days")
        importlib.import_module("actors.live_session")
        watch.reach("imports")
        watch.install()
        return await begin(*words)

    async def greeting(*words: Any) -> Any:
        found = await greet(*words)
        watch.reach("broker greeted")
        return found

    trade._trade, trade._greet = trading, greeting
    return program(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
