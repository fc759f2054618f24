"""`status`: how a root stands, once or again whenever its books change. Starts at once.

The kill switch is looked at as the engine does, so what cannot be trusted counts as thrown; only a root in
which nothing but replays or nothing at all has run needs no directory for it.

Exit codes: 0 shown, and all is well; 4 something is not well; 5 trading is halted; 6 an account's books, and
no engine is running; 9 there are no books, or they cannot be read; 130 Ctrl-C while watching. Of a replay's
books only 5 and 9 are told apart from 0.
"""

import argparse
from pathlib import Path
from typing import Any

from tui.commands.output import add_root, new_york, percent, print_json, print_table, text
from tui.commands.place import root_of
from tui.commands.roots import root_to_read
from tui.commands.standing import Standing, code_of, standing

SCHEMA = 1


def add(subparsers: Any) -> None:
    """Register `status`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "status",
        help="session, equity, positions, tasks, breakers, strategies, errors",
        description="Shows how the books of a root stand after the last input that is written, and what a "
        "running engine says of its streams and actors. A health check looks at the exit code.",
    )
    add_root(parser)
    parser.add_argument(
        "--watch",
        nargs="?",
        type=_seconds,
        const=1.0,
        metavar="S",
        help="show it again whenever the books change, at most every S seconds (default 1)",
    )
    parser.set_defaults(run=run)


def _seconds(words: str) -> float:
    try:
        found = float(words)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 86_400:
        raise argparse.ArgumentTypeError(f"must be seconds from 0 to 86400, was {words!r}")
    return found


def run(arguments: argparse.Namespace) -> int:
    """Print the status."""
    root = _root(arguments)
    if arguments.watch is not None:
        from tui.commands.status_watch import watch

        return watch(root, arguments.watch, SCHEMA, show, as_json=arguments.json)
    found = standing(root)
    if arguments.json:
        print_json(SCHEMA, found)
    else:
        show(found)
    return code_of(found)


def _root(arguments: argparse.Namespace) -> Path:
    """The root to look at; one without books is shown if it is halted."""
    from runtime import kill_switch
    from storage.database import DatabaseRefused

    try:
        return root_to_read(arguments)
    except DatabaseRefused:
        root = root_of(arguments)
        state = kill_switch.look(root)
        if not state.halted or state.is_absent:
            raise
        return root


def show(found: Standing) -> None:
    """Print how it stands, in words."""
    if found["halted"]:
        print(f"HALTED     {text(found['halt_reason'])}")
    for words in found["unwell"]:
        print(f"unwell     {text(words)}")
    if found["books"] is None:
        print(text(found["trouble"]))
        return
    print(f"books      {text(found['books'])}")
    _show_session(found)
    _show_engine(found)
    print_table(
        "Positions",
        ("symbol", "side", "quantity", "entry", "price", "unrealised", "%", "stop", "target", "strategy"),
        (
            (
                p["symbol"],
                p["side"],
                p["quantity"],
                p["entry_price"],
                p["current_price"],
                p["unrealized_pnl"],
                percent(p["unrealized_pnl_pct"]),
                p["stop_loss"],
                p["target_price"],
                p["strategy"],
            )
            for p in found["positions"]
        ),
    )
    print_table(
        "Working orders",
        ("id", "symbol", "side", "type", "quantity", "filled", "status", "limit", "stop"),
        (list(order.values()) for order in found["working_orders"]),
    )
    print_table(
        "Breakers acting",
        ("breaker", "action", "on", "since", "until", "why"),
        (
            (
                b["breaker_type"],
                b["action"],
                b["target"] or "all",
                new_york(b["triggered_at"]),
                new_york(b["expires_at"]),
                b["reason"],
            )
            for b in found["breakers"]
        ),
    )
    print_table(
        "Strategies",
        ("strategy", "state", "slots", "allocation", "why"),
        (
            (s["strategy"], s["state"], s["slots"], percent(s["allocation"]), s["reason"])
            for s in found["strategies"]
        ),
    )
    print_table(
        "Actors",
        ("actor", "state", "crashes", "restarts", "detail"),
        ((a["actor"], a["state"], a["crashes"], a["restarts"], a.get("detail", "")) for a in found["actors"]),
    )
    print_table(
        "Tasks of the session",
        ("time", "phase", "task", "status", "detail"),
        (
            (new_york(t["timestamp"], date=False), t["phase"], t["task"], t["status"], t["detail"])
            for t in found["tasks"]
        ),
    )
    print_table(
        "Unresolved errors",
        ("level", "different", "times"),
        ((e["level"], e["rows"], e["occurrences"]) for e in found["error_counts"]),
    )
    print_table(
        "Latest errors",
        ("time", "level", "component", "times", "message"),
        (
            (new_york(e["timestamp"]), e["level"], e["component"], e["occurrences"], e["message"])
            for e in found["errors"]
        ),
    )
    if found["refused_rows"]:
        print(f"\n{found['refused_rows']} rows did not fit the schema: see the tables refused_rows")


def _show_engine(found: Standing) -> None:
    at_work, streams = found["engine"], found["streams"]
    if at_work["tells"]:
        last = new_york(streams["last_bar"], date=False) if streams["last_bar"] else "none yet"
        print(
            f"engine     process {at_work['pid']}; market stream {text(streams['market'])}, "
            f"last minute {last}; order stream {text(streams['orders'])}"
        )
        if streams["not_streamed"]:
            said = next((each["detail"] for each in found["actors"] if each["actor"] == "market_stream"), "")
            print(f"no data    {streams['not_streamed']} symbols: {text(said)}")
    elif at_work["running"]:
        print(f"engine     process {at_work['pid']} is at work")


def _show_session(found: dict[str, Any]) -> None:
    session, equity, regime = found["session"], found["equity"], found["regime"]
    if session is None:
        print("session    none yet")
    else:
        state = f"ended {new_york(session['ended_at'])}" if session["ended_at"] else "not ended"
        phase = text(session["phase"] or "-")
        print(f"session    {session['date']}, phase {phase} since {new_york(session['phase_at'])}, {state}")
    if equity is not None:
        print(
            f"equity     {text(equity['equity'])} USD at {new_york(equity['minute'])}, cash "
            f"{text(equity['cash'])}, gross {text(equity['gross'])}, {equity['positions']} positions"
        )
    if regime is not None:
        print(
            f"regime     {regime['vix_regime']} (VIX {text(regime['vix_level'])}, {text(regime['source'])}) "
            f"since {new_york(regime['timestamp'])}"
        )
