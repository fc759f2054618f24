"""`report`: what the books of a root say of the whole run, or of one session: in words, as a page, as CSV.

Exit codes: 0 shown or written; 9 there are no books, they cannot be read or have no such session, or a file
cannot be written.
"""

import argparse
from datetime import date
from typing import TYPE_CHECKING, Any

from tui.commands import exits
from tui.commands.narration import say
from tui.commands.output import add_root, new_york, percent, print_json, print_table, text
from tui.commands.roots import root_to_read

if TYPE_CHECKING:
    from storage.readers.history import Span
    from storage.readers.ledger import Ledger, Record

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
    parser.add_argument("--day", type=_day, metavar="DATE", help="one session alone, like 2026-11-16")
    parser.add_argument(
        "--html", metavar="FILE", help="write it as a web page that stands alone (`-`: stdout)"
    )
    parser.add_argument(
        "--csv", metavar="FILE", help="write the trades, every digit (`-`: stdout); into a folder, all tables"
    )
    parser.set_defaults(run=run)


def _day(words: str) -> str:
    try:
        return date.fromisoformat(words).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a date like 2026-11-16, was {words!r}") from None


def run(arguments: argparse.Namespace) -> int:
    """Print the report, or write it."""
    from storage.readers.history import WHOLE, span_of
    from storage.readers.ledger import open_ledger
    from storage.readers.report import report

    on_stdout = sum((arguments.html == "-", arguments.csv == "-", arguments.json))
    if on_stdout > 1:
        raise exits.WrongUse("only one of the page, the CSV and --json can go to stdout")
    with open_ledger(root_to_read(arguments)) as ledger:
        span = span_of(ledger, arguments.day) if arguments.day else WHOLE
        found = report(ledger, span)
        written = [
            *_write_page(arguments.html, ledger, span, found),
            *_write_csv(arguments.csv, ledger, span),
        ]
    for line in written:
        (say if on_stdout else print)(f"wrote {line}")
    if arguments.json:
        print_json(SCHEMA, found)
    elif not (arguments.html or arguments.csv):
        _show(found)
    return exits.OK


def _write_csv(target: str | None, ledger: "Ledger", span: "Span") -> list[str]:
    if not target:
        return []
    from tui.commands.report_files import write_csv

    return write_csv(target, ledger, span)


def _write_page(target: str | None, ledger: "Ledger", span: "Span", found: "Record") -> list[str]:
    if not target:
        return []
    from storage.readers import history
    from tui.commands.report_files import STDOUT, write_text
    from tui.commands.report_page import Facts, page

    facts = Facts(
        report=found,
        sessions=history.sessions(ledger, span),
        equity=history.equity(ledger, span),
        start=history.start_of(ledger, span),
        trades=history.trades(ledger, span),
        strategy_days=history.strategy_days(ledger, span),
        breakers=history.breakers(ledger, span),
        regimes=history.regimes(ledger, span),
    )
    write_text(target, page(facts))
    return [] if target == STDOUT else [f"{target}: open it in a browser"]


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
    if found["splits"]:
        print_table(
            "Splits",
            ("symbol", "lot", "ratio", "shares", "entry", "cash for parts"),
            (
                (
                    s["symbol"],
                    s["lot_id"],
                    f"{s['numerator']} for {s['denominator']}",
                    f"{s['quantity_before']} -> {s['quantity_after']}",
                    f"{text(s['entry_before'])} -> {text(s['entry_after'])}",
                    s["cash_micros"] / 1e6,
                )
                for s in found["splits"]
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
