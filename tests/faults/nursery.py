"""Bears engines: a process that has imported everything and forks one for every line it reads.

A fork starts in a twentieth of a second what takes a fresh interpreter two, so hundreds of kills are cheap;
it is a process of its own all the same, and dies of SIGKILL like any other. A line is JSON: `words` of the
command line, `log` for its output, `environ`, perhaps `point` and `count` of where it is to kill itself, and
`crash` and `crash_while`: an actor that raises as long as a file is there (`points.py`). The answer is its
process id; a line `wait PID` is answered with how it ended.
"""

import importlib
import json
import os
import sys
from typing import Any

from tests.faults import points

_IMPORTED = ("actors.engine", "actors.live_session", "tests.samples.random_signals", "tui.commands.trade")


def _be_born(asked: dict[str, Any]) -> None:
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(asked["environ"])
    if asked.get("point"):
        points.arm(asked["point"], asked.get("count", 1))
    if asked.get("crash"):
        points.crash_while(asked["crash"], asked["crash_while"])
    from tui.commands.main import main

    code = 70
    try:
        code = main(asked["words"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Serve until stdin ends."""
    for name in _IMPORTED:
        importlib.import_module(name)
    print("ready", flush=True)
    for line in sys.stdin:
        if line.startswith("wait "):
            _, status = os.waitpid(int(line[5:]), 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        asked = json.loads(line)
        child = os.fork()
        if not child:
            _be_born(asked)
        print(child, flush=True)


if __name__ == "__main__":
    main()
