"""What an engine does as a process: says that it can be reached, ends in order when told to."""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

from tui.commands.launch import READY, READY_OPTION

TURN_S = 0.0005
"""How long a thread keeps the interpreter from the others, s: Python's own 5 ms are an order's whole way."""


def add_ready(parser: argparse.ArgumentParser) -> None:
    """The hidden option of whoever starts an engine as a process."""
    parser.add_argument(READY_OPTION, type=int, default=None, help=argparse.SUPPRESS)


def teller(pipe: int | None) -> Callable[[], None]:
    """What to do once the socket is there: say so through a pipe, and settle the interpreter.

    What the start has made (the modules above all) lives as long as the process: looking through it again
    would stop the loop for 70 ms now and then. And a thread with an order in its hands gets its turn soon.
    """
    left = [pipe]

    def tell() -> None:
        while left:
            handle = left.pop()
            gc.collect()
            gc.freeze()
            sys.setswitchinterval(TURN_S)
            if handle is None:
                continue
            with suppress(OSError):  # whoever waited is gone: nobody is left to tell
                os.write(handle, READY)
            with suppress(OSError):
                os.close(handle)

    return tell


def end_when_told(stop: Callable[[], None]) -> None:
    """End in order at Ctrl-C and SIGTERM, and at a hang-up of the terminal it was started from.

    In a session of its own there is no such terminal, so a hang-up means nothing; one that is ignored already
    (`nohup`) stays so. Called in the running event loop's thread.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    if os.getsid(0) == os.getpid():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, stop)
