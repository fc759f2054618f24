"""One run of the demo, shared by every test that only looks at what it leaves."""

import atexit
import contextlib
import io
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tui.commands.main import main


@cache
def demo() -> tuple[Path, dict[str, Any]]:
    """(root, summary); the root must not be changed."""
    root = Path(tempfile.mkdtemp(prefix="demo-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main(["demo", "--root", str(root), "--json"]) == 0
    return root, json.loads(said.getvalue().splitlines()[-1])


def tapes() -> list[Path]:
    """The demo's tapes, oldest first."""
    return sorted((demo()[0] / "tapes").glob("*.tape.zst"))
