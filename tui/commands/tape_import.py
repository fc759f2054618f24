"""`tape import`: one recording per session from files of minute bars, ready for `replay`.

Exit codes: 0 at least one tape was written (days without bars are named); 3 a wrong setting; 9 no tape: a
file is missing, lacks a column or cannot be read, a tape is there already, or no asked day has a bar.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.text import one_line
from tui.commands import exits
from tui.commands.output import decorated

if TYPE_CHECKING:
    from collections.abc import Callable

    from config.schema import Settings
    from storage.loaders.sessions import Rules, SessionData, SessionFiles
    from storage.panels import PanelStore

_MINUTE = 60_000_000_000


def add(subparsers: Any) -> None:
    """Register `import` below `tape`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "import",
        help="make one tape per session from files of minute bars",
        description="Make one tape per session, named by its date, from files of minute bars and history.",
        epilog="Exit codes: 0 tapes were written; 2 wrong command line; 3 a wrong setting; 9 no tape: a file "
        "is not what it must be, a tape is there already, or no asked day has a bar.",
    )
    bars = parser.add_mutually_exclusive_group(required=True)
    bars.add_argument("--minute", type=Path, metavar="FILE", help="minute bars (Parquet)")
    bars.add_argument("--frames", type=Path, metavar="FILE", help="Alpaca-style frames (.jsonl or .jsonl.gz)")
    parser.add_argument(
        "--daily",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="daily history (Parquet); may be given again, later files add symbols the earlier lack",
    )
    parser.add_argument("--vix", type=Path, action="append", required=True, metavar="FILE", help="VIX closes")
    parser.add_argument("--sectors", type=Path, required=True, metavar="FILE", help="GICS sectors (CSV)")
    parser.add_argument("--sessions", required=True, metavar="A..B", help="as 2018-02-16..2018-03-16")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the tapes go")
    parser.add_argument("--extended", action="store_true", help="keep minutes outside regular hours")
    parser.add_argument("--replace", action="store_true", help="replace tapes that are there already")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings for the tapes' headers")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Import, and say in words or JSON what came of it."""
    import json

    from config.errors import ConfigError
    from runtime.errors import DataError, StorageUnavailable

    try:
        result = import_tapes(arguments)
    except ConfigError as error:
        return _fail(str(error), exits.CONFIG)
    except (DataError, StorageUnavailable) as error:
        return _fail(str(error), exits.DATA)
    if arguments.json:
        print(json.dumps(result))
    else:
        print(_text(result))
    for day in result["empty"]:
        print(f"warning: {day}: no minute bar of that session in the file, no tape", file=sys.stderr)
    if not result["tapes"]:
        return _fail(f"no tape was written: no minute bars for {arguments.sessions}", exits.DATA)
    return 0


def import_tapes(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read the files and write the tapes.

    Returns:
        Paths of the tapes, what is on them, what was refused and what ignored.

    Raises:
        ConfigError: The settings are wrong.
        DataError: A file, the range of sessions or a tape that is there already.
    """
    from actors.market.calendar import session_times
    from config.load import load
    from storage.loaders.sessions import import_sessions

    settings = load(arguments.config, environ=os.environ, overrides=arguments.set).settings
    days = _days(arguments.sessions)
    out: Path = arguments.out
    _check_free(out, days, arguments.replace)
    files = _read(arguments, settings)
    panels = _panels(out)
    result: dict[str, Any] = {
        "tapes": [],
        "sessions": 0,
        "inputs": 0,
        "bars": 0,
        "symbols": 0,
        "empty": [],
        "quarantined": files.minutes.refusals.by_reason(),
        "ignored": files.minutes.ignored,
    }
    with _progress(len(days)) as step:
        for found in import_sessions(files, days, session_times, _rules(settings, arguments.extended)):
            if isinstance(found, str):
                result["empty"].append(found)
            else:
                result["tapes"].append(str(_write(found, settings, out, panels)))
                result["sessions"] += 1
                result["inputs"] += len(found.inputs)
                result["bars"] += found.bars
                result["symbols"] = len(found.symbols)
            step()
    return result


def _panels(out: Path) -> "PanelStore":
    import storage.tape  # noqa: F401 - the package of tapes first, it brings the panels along
    from storage.panels import PanelStore

    return PanelStore(out / "blobs")


def _days(text: str) -> list[str]:
    """Trading days of `A..B` (or of one day)."""
    from actors.market.calendar import NoSession, sessions_between
    from runtime.errors import DataError

    first, dots, last = text.partition("..")
    try:
        days = sessions_between(first.strip(), (last if dots else first).strip())
    except NoSession as error:
        raise DataError(f"--sessions {text}: {error}; it must look like 2018-02-16..2018-03-16") from None
    if not days:
        raise DataError(f"--sessions {text}: the exchange is closed on every one of these days")
    return days


def _check_free(out: Path, days: Sequence[str], replace: bool) -> None:
    """Refuse to touch tapes that are there, before an hour of reading."""
    from runtime.errors import DataError

    if out.exists() and not out.is_dir():
        raise DataError(f"{out} is a file; --out must be a directory")
    there = [path for day in days for path in _names(out, day) if path.exists()]
    if there and not replace:
        raise DataError(f"the tape {there[0]} is there already; --replace replaces it")


def _names(out: Path, day: str) -> tuple[Path, Path]:
    return out / f"{day}.tape", out / f"{day}.tape.zst"


def _read(arguments: argparse.Namespace, settings: "Settings") -> "SessionFiles":
    from runtime.errors import DataError
    from runtime.kernel.clock import LiveClock
    from storage.loaders.daily import load_daily
    from storage.loaders.frames import load_frames
    from storage.loaders.minute import load_minute
    from storage.loaders.sectors import load_sectors
    from storage.loaders.sessions import SessionFiles
    from storage.loaders.vix import load_vix

    now = LiveClock().now()
    # Small files first: their faults are told at once.
    sectors = load_sectors(arguments.sectors)
    vix = load_vix(arguments.vix, now=now)
    daily = load_daily(arguments.daily, now=now, absurd_ratio=settings.data.absurd_price_ratio)
    source: Path = arguments.minute or arguments.frames
    minutes = (load_minute if arguments.minute else load_frames)(source, now=now)
    if not len(minutes.rows.ts):
        ignored = "".join(f", {count:,} {kind}" for kind, count in minutes.ignored.items())
        refused = "".join(f", {count:,} {why}" for why, count in minutes.refusals.by_reason().items())
        raise DataError(f"{source}: not one usable minute bar{ignored}{refused}")
    return SessionFiles(minutes=minutes, daily=daily, vix=vix, sectors=sectors)


def _rules(settings: "Settings", extended: bool) -> "Rules":
    from storage.loaders.sessions import Rules

    data = settings.data
    return Rules(
        history_sessions=data.history_sessions,
        opening_sessions=data.opening_volume_sessions,
        ready_after=round(data.daily_ready_after_min * _MINUTE),
        give_up_after=round(data.daily_ready_give_up_min * _MINUTE),
        ready_coverage=data.ready_coverage,
        extended=extended,
    )


def _write(data: "SessionData", settings: "Settings", out: Path, panels: "PanelStore") -> Path:
    """Write one tape under another name first: an import that is broken off leaves no half tape."""
    import msgspec

    from config.snapshot import settings_hash, snapshot
    from storage.environment import environment
    from storage.tape import TapeWriter

    header = data.header(
        settings=snapshot(settings),
        settings_hash=settings_hash(settings),
        panels={name: panels.put(array) for name, array in data.panels.items()},
        **msgspec.structs.asdict(environment()),
    )
    final, packed = _names(out, data.session)
    draft = out / f".{data.session}.import.tape"
    draft.unlink(missing_ok=True)
    try:
        with TapeWriter(draft, header, durable=False) as tape:
            for seq, (at, source, message) in enumerate(data.inputs, start=1):
                tape.input(seq, at, source, message)
        packed.unlink(missing_ok=True)
        draft.replace(final)
    finally:
        draft.unlink(missing_ok=True)
    return final


@contextmanager
def _progress(total: int) -> "Iterator[Callable[[], None]]":
    """A bar on standard error if somebody watches; nothing otherwise."""
    if not decorated(sys.stderr):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sessions", total=total)
        yield lambda: bar.advance(task)


def _text(result: dict[str, Any]) -> str:
    lines = [
        f"{result['sessions']} tapes, {result['inputs']:,} inputs, {result['bars']:,} bars, "
        f"{result['symbols']} symbols"
    ]
    lines += [f"  {path}" for path in result["tapes"]]
    lines += [f"  refused: {count:,} {why}" for why, count in result["quarantined"].items()]
    lines += [f"  ignored: {count:,} {kind}" for kind, count in result["ignored"].items()]
    return "\n".join(lines)


def _fail(message: str, code: int) -> int:
    print(f"error: {one_line(message, 1_000)}", file=sys.stderr)
    return code
