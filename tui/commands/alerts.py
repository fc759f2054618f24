"""`alerts`: what a person was told and what became of it; a test of the sinks.

A sink is an address in the environment or in `.env` of the root: `TRADING_ALERT_PHONE` is the sink `phone`.
Addresses are secrets and are never shown.

Exit codes: 0 shown, or every sink took the test; 1 a sink did not; 2 no sink is called so; 3 no sink has an
address, or a setting is refused; 9 there are no books, or they cannot be read.
"""

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands import exits
from tui.commands.config import add_settings_arguments
from tui.commands.moments import since
from tui.commands.narration import say
from tui.commands.output import add_root, new_york, print_json, print_table
from tui.commands.place import root_of
from tui.commands.roots import root_to_read

if TYPE_CHECKING:
    from actors.notify.courier import Courier
    from config.load import Loaded

SCHEMA = 1
_LEVELS = ("INFO", "WARNING", "ERROR", "CRITICAL")


def add(subparsers: Any) -> None:
    """Register `alerts` and its own commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "alerts", help="what a person was told; try the sinks"
    )
    commands = parser.add_subparsers(dest="alerts_command", required=True, metavar="COMMAND")
    listed = commands.add_parser("list", help="the history, the latest first, with what became of each")
    add_root(listed)
    listed.add_argument("--level", type=str.upper, choices=_LEVELS, default="INFO", help="and above")
    listed.add_argument("--component", default="", metavar="NAME", help="only this actor, gateway or part")
    listed.add_argument(
        "--since", type=since, metavar="TIME", help="like 10m, 2h, 1d, 09:30, 2026-11-16 or 2026-11-16T09:30"
    )
    listed.add_argument(
        "-n", "--rows", type=int, default=50, metavar="N", help="most rows (default 50; 0: all)"
    )
    listed.set_defaults(run=run_list)
    tested = commands.add_parser("test", help="send a test to every sink, or to one")
    tested.add_argument("--sink", metavar="NAME", help="only this one")
    add_settings_arguments(tested)
    add_root(tested)
    tested.set_defaults(run=run_test)


def run_list(arguments: argparse.Namespace) -> int:
    """Print the history."""
    from storage.readers.errors import alerts
    from storage.readers.ledger import open_ledger

    with open_ledger(root_to_read(arguments)) as ledger:
        rows = alerts(
            ledger,
            level=arguments.level,
            component=arguments.component,
            since=arguments.since or 0,
            most=arguments.rows or -1,
        )
    if arguments.json:
        print_json(SCHEMA, {"alerts": rows})
        return exits.OK
    if not rows:
        print("no alerts")
    print_table(
        "Alerts",
        ("last seen", "level", "event", "times", "title", "delivery"),
        (
            (
                new_york(row["last_seen"]),
                row["level"],
                row["event"],
                row["occurrences"],
                row["title"],
                row["delivery"],
            )
            for row in rows
        ),
    )
    return exits.OK


def run_test(arguments: argparse.Namespace) -> int:
    """Send a test."""
    root = root_of(arguments)
    loaded = _load(arguments, root)
    couriers = _couriers(loaded, arguments.sink)
    if not couriers:
        say(
            f"no sink has an address: put TRADING_ALERT_NAME=URL into the environment or into {root / '.env'}"
        )
        return exits.CONFIG
    results = _sent(couriers, round(loaded.settings.alerts.timeout_s * 1e9))
    if arguments.json:
        sinks = [{"sink": name, "sent": not why, "why": why} for name, why in results.items()]
        print_json(SCHEMA, {"sinks": sinks})
    else:
        for name, why in results.items():
            print(f"{name}: {f'failed: {why}' if why else 'sent'}")
    return exits.FAILED if any(results.values()) else exits.OK


def _load(arguments: argparse.Namespace, root: Path) -> "Loaded":
    from config.load import load
    from config.secrets import ENV_FILE, with_env_file

    environ = with_env_file(os.environ, root / ENV_FILE)
    return load(arguments.config, environ=environ, overrides=arguments.overrides)


def _couriers(loaded: "Loaded", only: str | None) -> list["Courier"]:
    """The sinks that are meant.

    Raises:
        WrongUse: None is called so.
    """
    from actors.notify.courier import Courier
    from config.errors import nearest, printable

    addresses = loaded.secrets.alert_sinks
    if only is not None and addresses and only.lower() not in addresses:
        raise exits.WrongUse(f"no sink {printable(repr(only), 80)}; {nearest(only.lower(), list(addresses))}")
    account = loaded.settings.broker.mode.upper()
    return [
        Courier(name, address, account)
        for name, address in addresses.items()
        if only is None or name == only.lower()
    ]


def _sent(couriers: list["Courier"], limit: int) -> dict[str, str]:
    """Why each sink did not take the test, or nothing; all at once, none waited for beyond the limit."""
    from actors.alerting.router import Alert
    from actors.notify.delivery import send_all

    now = time.time_ns()  # noqa: TID251 - the wall clock of whoever tries it
    alert = Alert(
        ts_event=now,
        id="test",
        event="test",
        level="INFO",
        component="alerts",
        title="a test",
        body="If you can read this, alerts reach you here.",
        sinks=tuple(courier.name for courier in couriers),
        last_seen=now,
    )
    return send_all(couriers, alert, limit)
