"""`explain`: the chain of causes of one signal, order, fill or trade, from the bar to the profit.

Exit codes: 0 shown; 1 the books do not know the id; 9 there are no books, or they cannot be read.
"""

import argparse
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

from tui.commands import exits
from tui.commands.output import add_root, new_york, percent, print_json, text
from tui.commands.parser import as_text
from tui.commands.roots import root_to_read

SCHEMA = 1
_WIDTH = 95

_KINDS = {
    "bar": "input",
    "signal": "signal",
    "dropped": "signal dropped",
    "sizing": "sized",
    "approved": "approved",
    "denied": "DENIED",
    "order": "order sent",
    "cancel": "cancel sent",
    "replace": "replace sent",
    "ended": "order ended",
    "fill": "fill",
    "lot": "lot",
    "split": "SPLIT",
}


def add(subparsers: Any) -> None:
    """Register `explain`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "explain",
        help="why an order, signal or trade is what it is",
        description="Prints the chain of causes: bar, signal with its features, sizing with every cap, "
        "verdict, order, fills, profit; each with its time and the numbers that decided.",
    )
    parser.add_argument(
        "id",
        type=as_text,
        metavar="ID",
        help="of a signal, an order, a fill or a trade; a symbol names its latest signals",
    )
    add_root(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the chain."""
    from storage.readers.chain import chain, nearest
    from storage.readers.ledger import open_ledger

    with open_ledger(root_to_read(arguments)) as ledger:
        found = chain(ledger, arguments.id)
        near = [] if found else nearest(ledger, arguments.id)
    if found is None:
        hint = f"; {_hint(arguments.id, near)}" if near else ""
        print(
            f"error: the books know no signal, order, fill or trade {text(arguments.id)}{hint}",
            file=sys.stderr,
        )
        return exits.FAILED
    if arguments.json:
        print_json(SCHEMA, found)
        return exits.OK
    for lot in found["lots"]:
        _show(lot)
    return exits.OK


def _hint(id: str, near: list[str]) -> str:
    names = ", ".join(map(text, near))
    return f"did you mean {names}?" if near[0].startswith(id[:3]) else f"its latest signals: {names}"


def _show(lot: Mapping[str, Any]) -> None:
    print(f"{text(lot['lot_id'])}\n")
    for link in lot["links"]:
        kind = _KINDS.get(link["kind"]) or text(link["kind"])
        print(f"{new_york(link['ts'])}  {kind:<14}  {text(link['id'])}")
        for line in _lines(link["numbers"]):
            for part in textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False):
                print(f"{'':<25}{part}")
    for signal in lot["signals"]:
        why = f": {text(signal['reason'])}" if signal["reason"] else ""
        detail = f" ({text(signal['detail'])})" if signal["detail"] else ""
        print(f"\nsignal {text(signal['id'])} {signal['signal_type']} is {signal['status']}{why}{detail}")
    trade = lot["trade"]
    if trade is not None:
        print(
            f"trade {trade['status']}: {text(trade['symbol'])} {trade['side']} {trade['quantity']} at "
            f"{text(trade['entry_price'])}, out at {text(trade['exit_price'])} "
            f"({text(trade['exit_reason'] or '-')}), P&L {text(trade['pnl'])} USD "
            f"({percent(trade['pnl_percent'])}), commission {text(trade['commission'])}"
        )


def _lines(numbers: Mapping[str, Any]) -> list[str]:
    """Plain numbers on one line, each group of numbers on its own."""
    plain = [f"{text(name)}={_number(name, value)}" for name, value in numbers.items() if _plain(value)]
    lines = [" ".join(plain)] if plain else []
    for name, value in numbers.items():
        if isinstance(value, Mapping) and value:
            inner = " ".join(f"{text(key)}={_number(key, item)}" for key, item in value.items())
            lines.append(f"{text(name)}: {inner}")
    return lines


def _plain(value: object) -> bool:
    return not isinstance(value, Mapping) and value is not None and value != ""


def _number(name: str, value: object) -> str:
    if name == "input_ts" and isinstance(value, int):
        return new_york(value, date=False).replace(" ", "")
    if isinstance(value, float):
        return f"{value:.10g}"
    return text(value)
