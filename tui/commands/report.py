"""`report`: what the books of a root say of the whole run.

Exit codes: 0 shown; 9 there are no books, or they cannot be read.
"""

import argparse
from typing import Any

from tui.commands import exits
from tui.commands.output import add_root, new_york, percent, print_json, print_table, text
from tui.commands.roots import root_to_read

SCHEMA = 1


def add(subparsers: Any) -> None:
    """Register `report`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "report",
        help="equity, trades, costs and each strategy of a run",
        description="Reads the books of a root: equity by session, trades and costs, each strategy, what "
        "became of the signals, breakers and errors.",
    )
    add_root(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    from storage.readers.ledger import open_ledger
    from storage.readers.report import report

    with open_ledger(root_to_read(arguments)) as ledger:
        found = report(ledger)
    if arguments.json:
        print_json(SCHEMA, found)
    else:
        _show(found)
    return exits.OK


def _show(found: dict[str, Any]) -> None:
    _show_totals(found)
    print_table(
        "Sessions",
        ("date", "equity", "day", "day %", "drawdown", "positions", "exposure"),
        (
            (
                d["date"],
                d["equity"],
                d["daily_pnl"],
                percent(d["daily_pnl_pct"]),
                percent(d["drawdown_pct"]),
                d["num_positions"],
                percent(d["exposure_pct"]),
            )
            for d in found["days"]
        ),
    )
    print_table(
        "Strategies",
        ("strategy", "open", "closed", "wins", "losses", "P&L", "commission", "slippage", "profit factor"),
        (
            (
                s["strategy"],
                s["open"],
                s["closed"],
                s["wins"],
                s["losses"],
                s["realised_pnl"],
                s["commission"],
                s["slippage"],
                s.get("profit_factor"),
            )
            for s in found["strategies"]
        ),
    )
    print_table(
        "Exits",
        ("reason", "trades", "P&L"),
        ((e["exit_reason"] or "-", e["trades"], e["pnl"]) for e in found["exits"]),
    )
    print_table(
        "Signals",
        ("strategy", "status", "reason", "signals"),
        ((s["strategy"], s["status"], s["reason"] or "-", s["signals"]) for s in found["signals"]),
    )
    print_table(
        "Breakers",
        ("breaker", "action", "on", "from", "to", "why"),
        (
            (
                b["breaker_type"],
                b["action"],
                b["target"] or "all",
                new_york(b["triggered_at"]),
                "acting" if b["is_active"] else new_york(b["cleared_at"]),
                b["reason"],
            )
            for b in found["breakers"]
        ),
    )
    print_table("Regimes", ("VIX regime", "entered"), (list(r.values()) for r in found["regimes"]))
    print_table(
        "Errors",
        ("level", "component", "different", "times"),
        (list(error.values()) for error in found["errors"]),
    )


def _show_totals(found: dict[str, Any]) -> None:
    sessions, trades, costs = found["sessions"], found["trades"], found["costs"]
    print(f"books      {text(found['books'])}")
    print(f"sessions   {sessions['sessions']}, {sessions['first'] or '-'} to {sessions['last'] or '-'}")
    first, last = found["equity_first"], found["equity_last"]
    if first and last:
        change = last["equity"] / first["equity"] - 1 if first["equity"] else None
        print(f"equity     {text(first['equity'])} -> {text(last['equity'])} USD ({percent(change)})")
    if trades:
        print(
            f"trades     {trades['closed']} closed ({trades['wins']} won, {trades['losses']} lost), "
            f"{trades['open']} open, {trades['cancelled']} entries without a fill, "
            f"realised {text(float(trades['realised_pnl']))} USD"
        )
    print(
        f"costs      {costs['fills']} fills, turnover {text(costs['turnover'])}, commission "
        f"{text(costs['commission'])}, slippage {text(costs['slippage'])} USD"
    )
