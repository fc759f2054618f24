"""The HALT file: is trading allowed? Throw the switch, look at it, lift it.

It must work when everything else is broken, so only the standard library is used, and nothing but the file
system says how the switch stands. A look fails closed: the switch counts as thrown unless its directory is
there, ours and safe, and the file is not (faults 1.9). Whatever lies under the name HALT is a halt: a file,
a link, a directory, something of another user's.
"""

import os
import stat
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

DIRECTORY = "killswitch"
FILE = "HALT"
RECEIPT = "RESUMED"
"""Beside HALT once a person has lifted it: without it a missing HALT was merely removed."""
REQUEST = "RESUME"
"""A person's wish that a running engine lift it."""

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_SAFE = stat.S_IFDIR | stat.S_IRWXU
_JUDGED = stat.S_IFMT(0o777777) | stat.S_IRWXU | _OTHERS_WRITE
_MOST_READ = 4_096
_MOST_REASON = 500
_LINK_LENGTH = 50
"""Characters of a link's target that file systems keep without needing a block of their own."""

Root = str | os.PathLike[str]


class State(NamedTuple):
    """How the switch stands.

    Attributes:
        halted: Whether nothing that adds exposure may leave.
        reason: Why, for people; empty when it is not halted.
        is_absent: Whether it is halted only because the directory does not exist.
    """

    halted: bool
    reason: str = ""
    is_absent: bool = False


class Order(NamedTuple):
    """What the HALT file says.

    Attributes:
        flatten: Whether our positions are to be closed too. everything: and whatever else the account has.
        time: When it was written, ISO 8601; empty where the file does not say.
    """

    reason: str
    flatten: bool = False
    time: str = ""
    everything: bool = False


class NotLifted(Exception):
    """The switch is still thrown; the text says what a person must do first."""


CLEAR = State(False)


def look(root: Root) -> State:
    """How the switch of this root stands now. Never raises; costs two `stat`.

    The file is looked for first: where it was not, the directory that did not have it must be there and safe
    now. The other way round, a directory removed in between would pass for one without the file.
    """
    directory = f"{os.fspath(root)}/{DIRECTORY}"
    try:
        found = os.stat(f"{directory}/{FILE}", follow_symlinks=False)
        return State(True, f"{directory}/{FILE} is there ({_kind(found.st_mode)})")
    except FileNotFoundError:
        pass
    except OSError as error:
        return State(True, f"{directory}/{FILE} cannot be looked at: {_words(error)}")
    except ValueError as error:
        return State(True, f"{directory!r} is no path: {error}")
    try:
        about = os.stat(directory, follow_symlinks=False)
    except OSError as error:
        absent = isinstance(error, FileNotFoundError)
        return State(True, f"{directory} cannot be looked at: {_words(error)}", absent)
    if about.st_mode & _JUDGED == _SAFE and about.st_uid == os.geteuid():
        return CLEAR
    return State(True, _distrust(directory, about))


def read(root: Root) -> Order:
    """What the HALT file says, for people and for a running engine that must halt. Never raises.

    A file that is unreadable, foreign, no file at all or written by hand still is a halt: only `flatten` is
    believed of our own files alone.
    """
    path = _file(root)
    try:
        text, trusted = _content(path)
    except (OSError, ValueError):
        return Order(look(root).reason)
    said: dict[str, str] = {}
    for line in text.splitlines():
        name, sign, value = line.partition(":")
        if sign:
            said.setdefault(name.strip().lower(), value.strip())
    reason = _plain(said.get("reason", "")) or _plain(text) or f"{path} is there"
    wish = said.get("flatten", "").lower() if trusted else ""
    return Order(reason, wish in ("yes", "all"), _plain(said.get("time", "")), wish == "all")


def prepare(root: Root) -> None:
    """Make the directory, and the root, for their owner only; what is there already is left as it is.

    Raises:
        OSError: It cannot be made.
    """
    os.makedirs(os.fspath(root), mode=0o700, exist_ok=True)
    with suppress(FileExistsError):
        os.mkdir(f"{os.fspath(root)}/{DIRECTORY}", 0o700)


def throw(root: Root, reason: str, *, flatten: bool = False, everything: bool = False, at: int) -> str:
    """Throw the switch so that it stays thrown across a power loss.

    An order to flatten that stands already is kept. A full disk is no obstacle as long as a name can be made:
    then a link that leads nowhere carries the words.

    Args:
        reason: For people; kept on one line.
        everything: To flatten what is not ours too.
        at: ns UTC.

    Returns:
        What could not be done, for people: empty when everything was.

    Raises:
        OSError: The switch could not be thrown: nothing lies under its name that was not there before.
    """
    prepare(root)
    path = _file(root)
    with suppress(OSError):
        discard_receipt(root)
    take_back(root)
    stands = read(root)
    wish = "yes" if flatten or stands.flatten else "no"
    wish = "all" if everything or stands.everything else wish
    why = _plain(reason) or "none given"
    words = (
        f"Trading is halted. `python -m runtime resume` lifts this.\n"
        f"reason: {why}\nflatten: {wish}\ntime: {_moment(at)}\n"
        f"by: user {os.getuid()}, process {os.getpid()}\n"
    )
    try:
        return _write(path, words, short=f"flatten: {wish}\nreason: {why}")
    except OSError as error:
        if not os.path.lexists(path):
            raise
        return f"{path} was there already and keeps its own words: {_words(error)}"


def lift(root: Root, by: str, *, at: int) -> None:
    """Remove the HALT file, leave a receipt of who did, and see that the switch is lifted.

    Only for a person's wish. A missing directory is made.

    Args:
        at: ns UTC.

    Raises:
        NotLifted: It still is thrown: the directory cannot be trusted, or the file cannot be removed.
    """
    path = _file(root)
    try:
        prepare(root)
        state = look(root)
        if state.halted and not os.path.lexists(path):
            raise NotLifted(state.reason)
        if trouble := _write(_receipt(root), f"resumed by: {_plain(by)}\ntime: {_moment(at)}\n"):
            raise NotLifted(trouble)
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        elif os.path.lexists(path):
            os.unlink(path)
        _sync(os.path.dirname(path))
    except OSError as error:
        raise NotLifted(f"{error.filename or path}: {_words(error)}") from error
    state = look(root)
    if state.halted:
        raise NotLifted(state.reason)


def resumed_by(root: Root) -> str | None:
    """Who lifted the switch since it was last thrown; None: nobody did."""
    return _signed(_receipt(root), "resumed by")


def ask_to_lift(root: Root, by: str, *, at: int) -> None:
    """Leave the wish that the engine at work lift the switch.

    Raises:
        NotLifted: It cannot be left.
    """
    try:
        trouble = _write(_request(root), f"asked by: {_plain(by)}\ntime: {_moment(at)}\n")
    except OSError as error:
        trouble = f"{_request(root)}: {_words(error)}"
    if trouble:
        raise NotLifted(trouble)


def asked_to_lift(root: Root) -> str | None:
    """Who wishes that the switch be lifted; None: nobody."""
    return _signed(_request(root), "asked by")


def take_back(root: Root) -> None:
    """Forget the wish, granted or not."""
    with suppress(OSError):
        os.unlink(_request(root))


def _signed(path: str, wanted: str) -> str | None:
    """The name behind the wanted word in a file of our own."""
    try:
        text, trusted = _content(path)
    except (OSError, ValueError):
        return None
    name, _, who = text.partition("\n")[0].partition(":")
    return (_plain(who) or "unknown") if trusted and name == wanted else None


def discard_receipt(root: Root) -> None:
    """Forget who lifted the switch: it has been thrown again, by whatever hand.

    Raises:
        OSError: The receipt is there and cannot be removed.
    """
    with suppress(FileNotFoundError):
        os.unlink(_receipt(root))


def _file(root: Root) -> str:
    return f"{os.fspath(root)}/{DIRECTORY}/{FILE}"


def _receipt(root: Root) -> str:
    return f"{os.fspath(root)}/{DIRECTORY}/{RECEIPT}"


def _request(root: Root) -> str:
    return f"{os.fspath(root)}/{DIRECTORY}/{REQUEST}"


def _content(path: str) -> tuple[str, bool]:
    """The words under a name, and whether they are our own; of a link, where it leads to."""
    about = os.stat(path, follow_symlinks=False)
    ours = about.st_uid in (0, os.geteuid())
    if stat.S_ISLNK(about.st_mode):
        return os.readlink(path), ours
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise OSError(f"a {_kind(about.st_mode)}")
        text = os.read(handle, _MOST_READ).decode("utf-8", "replace")
        return text, ours and not about.st_mode & _OTHERS_WRITE
    finally:
        os.close(handle)


def _write(path: str, words: str, *, short: str = "") -> str:
    """Put words under a name at once and durably; the name matters more than the words.

    Args:
        short: For a link, where there is no room for a file.

    Returns:
        What could not be done.

    Raises:
        OSError: Not even the name could be made.
    """
    draft, trouble = f"{path}.{os.getpid()}", ""
    with suppress(FileNotFoundError):
        os.unlink(draft)
    try:
        _fill(draft, words.encode("utf-8", "replace"))
    except OSError as error:
        trouble = f"{path} has no room for all its words: {_words(error)}"
        with suppress(FileNotFoundError):
            os.unlink(draft)
        short = short.encode("ascii", "replace").decode().replace("/", "-")
        try:
            os.symlink(short[:_LINK_LENGTH] or "no words", draft)
        except OSError as refused:  # it names where the link leads to
            raise OSError(refused.errno, refused.strerror, path) from refused
    try:
        os.rename(draft, path)
    except OSError:
        with suppress(OSError):
            os.unlink(draft)
        raise
    try:
        _sync(os.path.dirname(path))
    except OSError as error:
        trouble = trouble or f"{path} may not outlive a power loss: {_words(error)}"
    return trouble


def _fill(path: str, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _distrust(directory: str, about: os.stat_result) -> str:
    """Why a directory is no proof of anything."""
    if not stat.S_ISDIR(about.st_mode):
        return f"{directory} is no directory but a {_kind(about.st_mode)}"
    if about.st_uid != os.geteuid():
        return f"{directory} belongs to user {about.st_uid}, not to us ({os.geteuid()})"
    mode = stat.S_IMODE(about.st_mode)
    return f"{directory} has the mode {mode:04o} and must be writable by us alone: chmod 700 {directory}"


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "directory"), (stat.S_ISLNK, "link"))
    return next((name for test, name in kinds if test(mode)), "special file")


def _plain(text: str) -> str:
    """On one line, printable and short."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:_MOST_REASON]


def _words(error: OSError) -> str:
    return error.strerror or type(error).__name__
