"""`status`: how the books of a root stand. Starts at once: no NumPy, no pandas, no actors.

The kill switch is looked at as the engine does, so what cannot be trusted counts as thrown; only a root in
which nothing but replays or nothing at all has run needs no directory for it.

Exit codes: 0 shown; 5 shown, and trading is halted; 9 there are no books, or they cannot be read.
"""

import argparse
from pathlib import Path
from typing import Any

from runtime import kill_switch
from tui.commands import exits
from tui.commands.output import add_root, new_york, percent, print_json, print_table, text
from tui.commands.place import root_of
from tui.commands.roots import REPLAYED, root_to_read

SCHEMA = 1


def add(subparsers: Any) -> None:
    """Register `status`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "status",
        help="session, equity, positions, tasks, breakers, strategies, errors",
        description="Shows how the books of a root stand after the last input that is written.",
    )
    add_root(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the status."""
    from storage.database import DatabaseRefused
    from storage.readers.ledger import open_ledger
    from storage.readers.status import status

    halt = _halt(root_of(arguments), is_quiet=True)
    try:
        root = root_to_read(arguments)
        with open_ledger(root) as ledger:
            found = status(ledger)
    except DatabaseRefused as error:
        if not halt["halted"]:
            raise
        found = {"books": None, "trouble": str(error)}
    else:
        halt = _halt(root, is_quiet=str(found["books"]).startswith(REPLAYED))
    if arguments.json:
        print_json(SCHEMA, {**found, **halt})
    else:
        if halt["halted"]:
            print(f"HALTED     {text(halt['halt_reason'])}")
        _show(found) if found["books"] is not None else print(text(found["trouble"]))
    return exits.HALTED if halt["halted"] else exits.OK


def _halt(root: Path, *, is_quiet: bool) -> dict[str, Any]:
    """How the kill switch of a root stands.

    Args:
        is_quiet: Whether nothing trades there, so that a missing directory means nothing.
    """
    state = kill_switch.look(root)
    if not state.halted or (state.is_absent and is_quiet):
        return {"halted": False, "halt_reason": None, "halt_since": None, "halt_flatten": False}
    order = kill_switch.read(root)
    return {
        "halted": True,
        "halt_reason": order.reason,
        "halt_since": order.time or None,
        "halt_flatten": order.flatten,
    }


def _show(found: dict[str, Any]) -> None:
    print(f"books      {text(found['books'])}")
    _show_session(found)
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
