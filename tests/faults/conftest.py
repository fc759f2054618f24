"""The demo's tapes, made once for all tests of faults."""

import contextlib
import io
from pathlib import Path

import pytest

from tui.commands.main import main


@pytest.fixture(scope="session")
def demo_tapes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Ten sessions of the demo as tapes, their panels beside them."""
    root = tmp_path_factory.mktemp("demo")
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["demo", "--headless", "--json", "--root", str(root)]) == 0
    return sorted((root / "tapes").glob("*.tape*"))
