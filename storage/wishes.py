"""What a person wished while no engine ran: strategies to pause or unpause, kept until the next start has it.

Written under the root's lock, so no engine starts meanwhile. A file that cannot be read stops the start: a
strategy that a person paused must not trade because of a broken file.
"""

import os
import stat
from pathlib import Path

import msgspec

from runtime.errors import DataError, StorageUnavailable
from storage.disk import make_private, sync_directory

_MOST_BYTES = 1_000_000


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy to be paused, or unpaused.

    Attributes:
        by: Who wished it. at: ns UTC.
    """

    strategy: str
    paused: bool
    by: str
    at: int


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    schema: int = 1
    wishes: tuple[Wish, ...] = ()


def wishes_file(root: Path) -> Path:
    """Where a root's wishes lie."""
    return root / "run" / "wishes.json"


def read_wishes(root: Path) -> list[Wish]:
    """The wishes in the order in which they were made, the latest of each strategy; none without the file.

    Raises:
        DataError: The file cannot be read, is not ours alone, or is damaged.
    """
    path = wishes_file(root)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o022:
            raise DataError(f"{path} is no file of ours alone: look at it, then remove it")
        content = os.read(handle, _MOST_BYTES)
    finally:
        os.close(handle)
    try:
        return list(msgspec.json.decode(content, type=_Kept).wishes)
    except msgspec.DecodeError as error:
        raise DataError(f"{path} is damaged ({error}): look at it, then remove it") from error


def leave_wish(root: Path, wish: Wish) -> None:
    """Keep a wish so that it survives a power loss; an earlier one of the same strategy is replaced.

    The caller holds the root's lock.

    Raises:
        DataError: What was kept before cannot be read. StorageUnavailable: it cannot be written.
    """
    others = [each for each in read_wishes(root) if each.strategy != wish.strategy]
    path = wishes_file(root)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    data = msgspec.json.encode(_Kept(wishes=(*others, wish)))
    try:
        make_private(path.parent)
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StorageUnavailable(f"{path} cannot be written: {error.strerror}") from error


def forget_wishes(root: Path) -> None:
    """They are on the tape now.

    Raises:
        OSError: The file is there and cannot be removed.
    """
    wishes_file(root).unlink(missing_ok=True)
