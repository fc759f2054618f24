"""Starts an engine as a process of its own, and knows when it can be reached. Only the standard library.

The engine leads a session of its own, so no hang-up and no Ctrl-C of this terminal reaches it, and it lives
on when this process ends. It says that its socket is there through a pipe; the pipe's end without a word is
the engine's.
"""

import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

OUTPUT = "engine-output.log"
"""Below the root's logs: what engines print that were started so."""
READY_OPTION = "--ready-fd"
READY = b"ready\n"
_MOST_SHOWN = 4_000
_GRACE = 10.0


class NotStarted(Exception):
    """The engine has ended, or was ended, before it could be reached.

    Attributes:
        code: Its exit code. output: the last it printed.
    """

    def __init__(self, why: str, code: int, output: str) -> None:
        super().__init__(why)
        self.code, self.output = code, output


class EngineProcess:
    """An engine that was started here and can be reached.

    Attributes:
        pid: Its number. output: the file with what it prints.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", output: Path, begins: int) -> None:
        self._process = process
        self._begins = begins
        self.pid = process.pid
        self.output = output

    def ended(self) -> int | None:
        """Its exit code; None: it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """Wait for its end at most so long; its exit code, or None."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def leave(self) -> None:
        """Let it live on without this process."""
        self._process.returncode = 0 if self._process.returncode is None else self._process.returncode

    def last_words(self) -> str:
        """The end of what it printed."""
        return _tail(self.output, self._begins)


def start_engine_process(words: Sequence[str], root: Path, *, seconds: float = 60.0) -> EngineProcess:
    """Start `python -m runtime WORDS --headless` for a root and wait until its socket is there.

    Args:
        words: The command and its options: `run`, or `demo` or `replay` with `--serve`.
        root: Where it works; its printed words go to a file in `logs/`.
        seconds: How long it may take.

    Raises:
        NotStarted: It ended first, or took too long.
        OSError: It could not be started at all.
    """
    folder = root / "logs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    output = folder / OUTPUT
    reading, writing = os.pipe()
    try:
        try:
            file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                begins = os.fstat(file).st_size
                process = subprocess.Popen(
                    [sys.executable, "-m", "runtime", *words, "--headless", READY_OPTION, str(writing)],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    pass_fds=(writing,),
                    start_new_session=True,
                )
            finally:
                os.close(file)
        finally:
            os.close(writing)
        started = EngineProcess(process, output, begins)
        if not _is_ready(reading, seconds):
            _give_up(started, process, seconds)
        return started
    finally:
        os.close(reading)


def _is_ready(pipe: int, seconds: float) -> bool:
    """Whether the word comes in time; at the pipe's end or in vain: False."""
    until, said = time.monotonic() + seconds, b""
    while select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
        piece = os.read(pipe, 64)
        said += piece
        if READY in said:
            return True
        if not piece:
            return False
    return False


def _give_up(started: EngineProcess, process: "subprocess.Popen[bytes]", seconds: float) -> None:
    """End what did not become ready, and say what it said."""
    try:
        code = process.wait(1.0)
        why = f"the engine ended with exit code {code}"
    except subprocess.TimeoutExpired:
        why = f"the engine could not be reached within {seconds:g} s and was ended"
        process.terminate()
        try:
            code = process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    raise NotStarted(why, code, started.last_words())


def _tail(path: Path, begins: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(begins, path.stat().st_size - _MOST_SHOWN))
            return file.read(_MOST_SHOWN).decode("utf-8", "replace")
    except OSError:
        return ""
