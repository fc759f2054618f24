import subprocess
import sys
from pathlib import Path

import pytest

from runtime.errors import StorageUnavailable
from storage.lock import RootBusy, RootLock

HOLDER = """
import sys
from pathlib import Path
from storage.lock import RootLock
with RootLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_root_has_one_holder_at_a_time(tmp_path: Path) -> None:
    with RootLock(tmp_path), pytest.raises(RootBusy, match=r"another process \(process \d+\) is at work in"):
        RootLock(tmp_path).__enter__()
    with RootLock(tmp_path):
        pass


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    repository = Path(__file__).parents[2]
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        cwd=repository, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RootBusy, match=f"process {holder.pid}"):
            RootLock(tmp_path).__enter__()
        holder.kill()
    with RootLock(tmp_path):
        pass


def test_a_root_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(StorageUnavailable, match="file cannot be used: Not a directory"):
        RootLock(file).__enter__()


def test_a_new_root_is_for_its_owner_only(tmp_path: Path) -> None:
    with RootLock(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "a" / "b" / "run" / "engine.lock").stat().st_mode & 0o777 == 0o600
