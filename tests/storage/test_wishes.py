"""Wishes kept for the next start: the latest of each strategy, believed only from a file of our own."""

import os
import stat
from pathlib import Path

import pytest

from runtime.errors import DataError, StorageUnavailable
from storage.wishes import Wish, forget_wishes, leave_wish, read_wishes, wishes_file


def wish(name: str, paused: bool = True, at: int = 1) -> Wish:
    return Wish(strategy=name, paused=paused, by="a test", at=at)


def test_the_latest_wish_of_each_strategy_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    assert read_wishes(tmp_path) == []
    for each in (wish("a"), wish("b"), wish("a", paused=False, at=2)):
        leave_wish(tmp_path, each)
    assert read_wishes(tmp_path) == [wish("b"), wish("a", paused=False, at=2)]
    assert stat.S_IMODE(wishes_file(tmp_path).stat().st_mode) == 0o600
    assert [path.name for path in wishes_file(tmp_path).parent.iterdir()] == ["wishes.json"]
    forget_wishes(tmp_path)
    forget_wishes(tmp_path)
    assert read_wishes(tmp_path) == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"wishes": 3}', b'{"wishes": [{"strategy": "a"}]}', b"\xff"]
)
def test_a_damaged_file_is_refused_not_forgotten(content: bytes, tmp_path: Path) -> None:
    leave_wish(tmp_path, wish("a"))
    wishes_file(tmp_path).write_bytes(content)
    with pytest.raises(DataError, match="look at it, then remove it"):
        read_wishes(tmp_path)
    with pytest.raises(DataError):
        leave_wish(tmp_path, wish("b"))
    assert wishes_file(tmp_path).read_bytes() == content


def test_a_file_that_others_may_write_or_that_is_none_is_not_believed(tmp_path: Path) -> None:
    leave_wish(tmp_path, wish("a"))
    path = wishes_file(tmp_path)
    path.chmod(0o622)
    with pytest.raises(DataError, match="no file of ours alone"):
        read_wishes(tmp_path)
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(DataError, match="cannot be read"):
        read_wishes(tmp_path)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(DataError, match="no file of ours alone"):
        read_wishes(tmp_path)


def test_where_it_cannot_be_kept_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("no folder")
    with pytest.raises((StorageUnavailable, DataError)):
        leave_wish(tmp_path, wish("a"))
