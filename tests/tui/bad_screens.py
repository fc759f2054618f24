"""What an engine feels of screens that freeze, stop reading or die.

    python -m tests.tui.bad_screens ROOT [--asks 200]

Attaches real screens to the engine that runs in ROOT, each on a terminal of its own, and does to them what
happens to terminals: SIGSTOP, a reader that stops reading, SIGKILL, SIGHUP, SIGTERM. Before and meanwhile it
asks the engine small things and measures how long each answer takes, which is what its loop is behind. Prints
one JSON object; milliseconds of real time, so other processes count. It asks for nothing that changes state.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from tests.tui.terminals import Terminal
from tui.commands import engine

_PING = {"command": "are you there"}
"""No command: the engine refuses it, at the price of any other."""
_PAUSE_S = 0.01


def ask(root: Path, times: int) -> dict[str, float]:
    """How long an engine takes to answer, ms.

    Raises:
        OSError: It does not answer.
    """
    took = []
    for _ in range(times):
        begins = time.perf_counter()
        with suppress(ValueError):
            engine.ask(root, _PING)
        took.append(1_000 * (time.perf_counter() - begins))
        time.sleep(_PAUSE_S)
    took.sort()
    return {
        "median": round(statistics.median(took), 3),
        "p99": round(took[int(0.99 * (len(took) - 1))], 3),
        "worst": round(took[-1], 3),
    }


async def measure(root: Path, asks: int) -> dict[str, Any]:
    """Everything that can happen to a screen, one after the other; the frozen ones stay."""
    found: dict[str, Any] = {"nobody": await asyncio.to_thread(ask, root, asks)}

    async def meanwhile(name: str, do: Callable[[Terminal], Awaitable[None] | None]) -> Terminal:
        screen = await stack.enter_async_context(Terminal(["tui", "--root", str(root)]))
        await screen.until(b"KILL")
        if (done := do(screen)) is not None:
            await done
        found[name] = await asyncio.to_thread(ask, root, asks)
        return screen

    def send(number: signal.Signals) -> Callable[[Terminal], None]:
        return lambda screen: os.kill(screen.process.pid, number)

    async with AsyncExitStack() as stack:
        await meanwhile("attached", lambda _: None)
        stopped = await meanwhile("stopped", send(signal.SIGSTOP))
        await meanwhile("unread", lambda screen: screen.freeze())
        await meanwhile("killed", send(signal.SIGKILL))
        for name, number in (("hung_up", signal.SIGHUP), ("terminated", signal.SIGTERM)):
            screen = await meanwhile(name, send(number))
            code = await screen.process.wait()
            restored = all(code in screen.painted for code in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l"))
            found[name] |= {"exit": code, "terminal_restored": restored}
        os.kill(stopped.process.pid, signal.SIGCONT)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--asks", type=int, default=200)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(arguments.root, arguments.asks)), indent=2))


if __name__ == "__main__":
    main()
