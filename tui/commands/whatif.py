"""What other settings would have changed: the same sessions under the tape's own ones, and the difference."""

from typing import TYPE_CHECKING, Any

from runtime.text import one_line

if TYPE_CHECKING:
    from storage.readers.difference import Change, Difference, Order, Result, Trade

_MOST = 20
"""Rows of a list that are printed; --json has all."""


def as_json(found: "Difference") -> dict[str, Any]:
    """The difference as plain data."""
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(found)
    plain["changed"] = [{"before": one, "after": other} for one, other in plain["changed"]]
    return plain


def print_difference(found: "Difference") -> None:
    """The difference for people."""
    print("\nagainst the tape's own settings")
    _line("all", found.total)
    for name, change in found.strategies.items():
        if change.before != change.after:
            _line(name, change)
    if found.is_nothing:
        print("  no order and no trade differs")
    _orders("orders no longer sent", found.only_before)
    _orders("orders sent now only", found.only_after)
    if found.changed:
        print(f"  trades that end otherwise: {len(found.changed):,}")
        for one, other in found.changed[:_MOST]:
            print(f"    {one_line(one.id, 60)}  {_trade(one)} -> {_trade(other)}")
        _more(len(found.changed))


def _line(name: str, change: "Change") -> None:
    before, after = change.before, change.after
    print(
        f"  {one_line(name, 40):<28} {_result(before)} -> {_result(after)}, "
        f"P&L {after.pnl - before.pnl:+,.2f} USD"
    )


def _result(one: "Result") -> str:
    return f"{one.closed:,} closed ({one.won:,} won) {one.pnl:,.2f}"


def _orders(title: str, orders: "tuple[Order, ...]") -> None:
    if not orders:
        return
    print(f"  {title}: {len(orders):,}")
    for one in orders[:_MOST]:
        price = "" if one.average_price is None else f" at {one.average_price:,.2f}"
        words = f"{one.side} {one.quantity:,} {one.symbol}, {one.filled:,} filled{price}, {one.status}"
        print(f"    {one_line(one.id, 60)}  {one_line(words, 200)}")
    _more(len(orders))


def _more(count: int) -> None:
    if count > _MOST:
        print(f"    ... and {count - _MOST:,} more")


def _trade(one: "Trade") -> str:
    left = f"{one.exit_reason or 'exit'} {one.exit_price:,.2f}" if one.exit_price is not None else one.status
    return one_line(f"{one.quantity:,} {one.symbol} {left} {one.pnl:+,.2f}", 120)
