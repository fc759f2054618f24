"""What can be checked before a start without asking the broker: settings, keys, files, room, dates."""

import math
import os
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from actors.market.calendar import NEW_YORK, NoSession, next_session, previous_session, session_times
from actors.system import BUILT
from config.errors import ConfigError
from config.live_money import permit
from config.load import Loaded
from config.secrets import API_KEY, ENV_FILE, SECRET_KEY
from config.snapshot import settings_hash
from runtime import kill_switch
from runtime.errors import DataError
from runtime.text import one_line
from storage.database import DATABASES, DatabaseRefused, books_of, database_path, open_reader
from storage.migrations import MIGRATIONS
from tui.commands import engine
from tui.commands.config import check_strategies
from tui.commands.roots import REPLAYED

Verdict = Literal["PASS", "WARN", "FAIL", "SKIP"]

LEAST_FREE, GOOD_FREE = 1_000_000_000, 5_000_000_000
"""Bytes of disk: below the first a session may not fit, below the second a month may not."""

_DAILY = ("daily", "daily_yahoo")


class Line(msgspec.Struct, frozen=True):
    """One check.

    Attributes:
        fix: What a person can do; empty when there is nothing to mend.
    """

    name: str
    verdict: Verdict
    words: str
    fix: str = ""


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """The start that is checked.

    Attributes:
        environ: The environment and `.env`. live: whether `--live` is asked for. now: ns UTC.
    """

    root: Path
    loaded: Loaded
    environ: Mapping[str, str]
    live: bool
    now: int


def local_lines(start: Start) -> list[Line]:
    """Every check that needs no network, in the order of a start."""
    return [
        run("settings", lambda: settings(start)),
        run("keys", lambda: keys(start)),
        run("live money", lambda: live_money(start)),
        run("allocations", lambda: allocations(start)),
        run("calendar", lambda: calendar(start)),
        *(run(f"database {name}", lambda name=name: database(start, name)) for name in DATABASES),  # type: ignore[misc]
        *root_lines(start.root),
        run("daily data", lambda: history(start, _DAILY, "daily history")),
        run("VIX data", lambda: history(start, ("vix",), "VIX")),
    ]


def root_lines(root: Path) -> list[Line]:
    """The checks that need no settings either."""
    return [
        run("disk", lambda: disk(root)),
        run("kill switch", lambda: switch(root)),
        run("engine", lambda: at_work(root)),
    ]


def run(name: str, check: Callable[[], Line]) -> Line:
    """One check; whatever goes wrong in it is its result, and the others are made all the same."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - see above
        return unchecked(name, error)


def unchecked(name: str, error: Exception) -> Line:
    """A check that broke; what its words name may be mended, and if not, it is a fault of ours."""
    words = f"could not be checked: {type(error).__name__}: {one_line(str(error), 200)}"
    return Line(name, "FAIL", words, "mend what it names and check again; else report it")


def settings(start: Start) -> Line:
    """The settings hold together and every strategy takes its own."""
    try:
        check_strategies(start.loaded.settings)
    except ConfigError as error:
        return Line(
            "settings", "FAIL", str(error), "mend it; `config show` names where each value comes from"
        )
    return Line("settings", "PASS", f"valid, hash {settings_hash(start.loaded.settings)[:16]}")


def keys(start: Start) -> Line:
    """Both keys are there."""
    missing = [name for name in (API_KEY, SECRET_KEY) if not start.environ.get(name, "").strip()]
    if missing:
        fix = f"set them in the environment, or in {start.root / ENV_FILE} with mode 600"
        return Line("keys", "FAIL", f"not set: {', '.join(missing)}", fix)
    return Line("keys", "PASS", "both are set")


def live_money(start: Start) -> Line:
    """Plainly paper or plainly live."""
    mode = start.loaded.settings.broker.mode
    source = start.loaded.sources.get("broker.mode", "default")
    try:
        account = permit(mode, source, live=start.live, environ=start.environ)
    except ConfigError as error:
        return Line("live money", "FAIL", error.problem, 'give what is missing, or set broker.mode = "paper"')
    if account:
        return Line("live money", "WARN", f"orders move the real money of account {account}")
    return Line("live money", "PASS", "paper")


def allocations(start: Start) -> Line:
    """What of the equity is given to strategies that can trade."""
    trading = [one for one in start.loaded.settings.strategies if one.enabled and not one.shadow]
    total = math.fsum(one.allocation for one in trading)
    words = f"{len(trading)} strategies with {total:.4g} of the equity"
    unbuilt = [one.name for one in trading if not one.class_path and one.name not in BUILT]
    if unbuilt:
        return Line("allocations", "WARN", f"{words}; not built: {', '.join(unbuilt)}", "disable them")
    if not 0.999 <= total <= 1.001:
        return Line("allocations", "WARN", words, "the allocations of enabled strategies should sum to 1")
    return Line("allocations", "PASS", words)


def calendar(start: Start) -> Line:
    """The next session is known, and the calendar does not end soon."""
    fix = "update the package exchange_calendars"
    today = _today(start.now)
    try:
        times = session_times(next_session(previous_session(today)))
        session_times(next_session(datetime.fromtimestamp(start.now // 10**9 + 30 * 86_400, UTC).date()))
    except NoSession as error:
        return Line("calendar", "FAIL", str(error), fix)
    opens, closes = (_clock(ts) for ts in (times.open, times.close))
    early = ", an early close" if times.early_close else ""
    return Line("calendar", "PASS", f"session {times.session}, {opens} to {closes} ET{early}")


def database(start: Start, name: str) -> Line:
    """A database can be opened, is an account's and no newer than this program."""
    title, path = f"database {name}", database_path(start.root, name)
    if not path.exists():
        return Line(title, "PASS", f"{path} will be made")
    try:
        reader = open_reader(path, name)
    except DatabaseRefused as error:
        return Line(title, "FAIL", str(error), "move it away, or restore a copy")
    try:
        (found,) = reader.execute("PRAGMA user_version").fetchone()
        books = books_of(reader)
    finally:
        reader.close()
    if books.startswith(REPLAYED):
        return Line(title, "FAIL", f"{path} holds the books of {books!r}", "choose another root")
    if path.stat().st_mode & 0o077:
        return Line(title, "WARN", "others may read or write it", f"chmod 600 {path}")
    behind = len(MIGRATIONS[name]) - found
    todo = f", {behind} migrations will be applied" if behind else ""
    return Line(title, "PASS", f"books of {books or 'nobody yet'}, schema {found}{todo}")


def disk(root: Path) -> Line:
    """The root can be written and has room."""
    place = root
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        return Line("disk", "FAIL", f"{place} cannot be written", "choose another root, or mend its mode")
    free = shutil.disk_usage(place).free
    words, fix = f"{free / 1e9:,.1f} GB free at {place}", "make room; `tape prune` deletes old recordings"
    if free < LEAST_FREE:
        return Line("disk", "FAIL", words, fix)
    return Line("disk", "WARN", words, fix) if free < GOOD_FREE else Line("disk", "PASS", words)


def switch(root: Path) -> Line:
    """The kill switch is not thrown, and can be."""
    state = kill_switch.look(root)
    if state.is_absent and not (root / "db").exists():
        return Line("kill switch", "PASS", f"{root / kill_switch.DIRECTORY} will be made")
    if not state.halted:
        return Line("kill switch", "PASS", "not thrown")
    order = kill_switch.read(root)
    since = f" since {order.time}" if order.time else ""
    return Line(
        "kill switch", "FAIL", f"trading is halted{since}: {order.reason}", "python -m runtime resume"
    )


def at_work(root: Path) -> Line:
    """Nobody else works in this root."""
    holder = engine.holder_of(root)
    if holder is None:
        return Line("engine", "PASS", "none is running")
    return Line("engine", "WARN", f"{holder} is at work in this root", "python -m runtime stop")


def history(start: Start, folders: tuple[str, ...], subject: str) -> Line:
    """The newest day in the files of some folders is the last session's."""
    from storage.loaders.parquet import ParquetColumns

    name = "VIX data" if folders == ("vix",) else "daily data"
    base = start.root / "data" / "historical"
    newest = ""
    for path in sorted(path for folder in folders for path in (base / folder).glob("*.parquet")):
        try:
            days = ParquetColumns(path, ["timestamp"]).nanoseconds()
        except DataError as error:
            return Line(name, "FAIL", str(error), "move the file away, or fetch it again")
        if len(days):
            last = datetime.fromtimestamp(int(days.max()) // 1_000_000_000, UTC).date().isoformat()
            newest = max(newest, last)
    where = " and ".join(str(base / folder) for folder in folders)
    if not newest:
        return Line(name, "WARN", f"no {subject} in {where}: what needs it stays inactive", "fetch it")
    wanted = previous_session(_today(start.now))
    if newest < wanted:
        return Line(name, "WARN", f"{subject} ends on {newest}, the last session was {wanted}", "fetch it")
    return Line(name, "PASS", f"{subject} until {newest}")


def _today(now: int) -> str:
    """The date in New York."""
    return datetime.fromtimestamp(now // 1_000_000_000, UTC).astimezone(NEW_YORK).date().isoformat()


def _clock(ts: int) -> str:
    return datetime.fromtimestamp(ts // 1_000_000_000, UTC).astimezone(NEW_YORK).strftime("%H:%M")
