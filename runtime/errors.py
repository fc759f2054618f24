"""What can go wrong, by who must act.

* ConfigError (in `config`)  fix the file, then start again
* DataError                  drop the input or name another file; trading goes on
    * TapeDamaged            a recording cannot be trusted beyond the place named
    * PanelDamaged           a history panel is missing or is not what its name says
* StorageUnavailable         make room or mend the disk; no entries until then, exits go out
* BooksRefused               point at the right root: these books, or this tape, are somebody else's
* BrokerRejected             the order is dead; do not retry
* BrokerUnavailable          retry with back-off; where the fate is unknown, look it up first
* KeysRefused                give the right keys; nothing works until then
* InvariantBroken            a bug: halt trading

None derives from another branch's class, so no `except` for one kind swallows another.
"""

from pathlib import Path


class DataError(Exception):
    """What came from outside cannot be used."""


class TapeDamaged(DataError):
    """A tape is not what was written.

    Attributes:
        offset: Byte at which the bad record begins, in the uncompressed tape.
        record: Its number, counted from 0 (the header).
        seq: The last input before it that is sound; 0: none.
        reason: What is wrong with it.
    """

    def __init__(self, path: Path, *, offset: int, record: int, seq: int, reason: str) -> None:
        self.path = path
        self.offset = offset
        self.record = record
        self.seq = seq
        self.reason = reason
        super().__init__(f"{path}: record {record} at byte {offset}, after input {seq}: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_tape_damaged, (self.path, self.offset, self.record, self.seq, self.reason)


def _rebuild_tape_damaged(path: Path, offset: int, record: int, seq: int, reason: str) -> TapeDamaged:
    return TapeDamaged(path, offset=offset, record=record, seq=seq, reason=reason)


class PanelDamaged(DataError):
    """A history panel is missing, or its bytes are not those its name promises."""


class StorageUnavailable(Exception):
    """Something that must be on disk could not be put there."""


class BooksRefused(Exception):
    """These books belong to another account or run, or another process has them."""


class BrokerRejected(Exception):
    """The broker said no.

    Attributes:
        reason: The broker's own words, made printable. status: the HTTP status.
        code: The broker's code, the contract beside the status; 0 where it gave none.
        symbol: What it was about, where the broker says.
    """

    def __init__(self, reason: str, *, status: int = 0, code: int = 0, symbol: str = "") -> None:
        self.reason = reason
        self.status = status
        self.code = code
        self.symbol = symbol
        super().__init__(f"the broker refused ({status}, code {code}): {reason}")


class BrokerUnavailable(Exception):
    """The broker did not answer, or not in a way that can be understood.

    Attributes:
        is_unknown: Whether the request may have been carried out all the same.
        retry_after: Seconds the broker asks to wait; 0: it does not say. status: the HTTP status, 0: none.
    """

    def __init__(
        self, reason: str, *, is_unknown: bool = True, retry_after: float = 0.0, status: int = 0
    ) -> None:
        self.reason = reason
        self.status = status
        self.is_unknown = is_unknown
        self.retry_after = retry_after
        super().__init__(f"no answer from the broker: {reason}")


class KeysRefused(Exception):
    """The broker does not know these keys, or not for this account.

    Attributes:
        status: The HTTP status, 0: it was not asked.
    """

    def __init__(self, reason: str, *, status: int = 0) -> None:
        self.status = status
        super().__init__(reason)


class InvariantBroken(Exception):
    """Something that cannot happen has happened."""


def first_of(found: Exception) -> Exception:
    """The first error that is not itself a group: what a task group's failure was about."""
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    return found
