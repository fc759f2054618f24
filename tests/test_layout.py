"""What lies beside the rooms of the house: nothing that was left there by mistake."""

import subprocess

import pytest

from tests.readme import REPOSITORY

ROOMS = {"actors", "runtime", "storage", "tui", "tests", "config"}
FILES = {"pyproject.toml", "README.md", "CHANGELOG.md"}


def test_nothing_is_kept_beside_the_rooms() -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no checkout: nobody knows what is kept")
    kept = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    top = {path.partition("/")[0] for path in kept if path and not path.startswith(".")}
    assert top == ROOMS | FILES
