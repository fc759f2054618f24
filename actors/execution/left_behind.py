"""What an engine that ends leaves at the broker, in words: which lots, and what protects them there."""

from collections.abc import Sequence

from actors.execution.lot_orders import LotOrders
from actors.execution.order_state import PLAINLY_LIVE


def left_behind(lots: Sequence[LotOrders]) -> list[str]:
    """One line for each kind of protection, the symbols of a kind in order; none if nothing is held.

    A symbol with several lots is named under each kind that one of them is of.
    """
    kinds: dict[str, set[str]] = {"stop": set(), "exit": set(), "none": set(), "gone": set()}
    for lot in lots:
        if lot.held:
            kinds[_protection(lot)].add(lot.symbol)
    said = []
    if kinds["stop"]:
        said.append(f"still held: {_names(kinds['stop'])}; their stops and targets stay at the broker")
    if kinds["exit"]:
        said.append(f"still held: {_names(kinds['exit'])}; their exits go on at the broker, without a stop")
    if kinds["none"]:
        said.append(f"warning: still held without a stop: {_names(kinds['none'])}; a start places it")
    there = [lot for lot in lots if lot.to_exit]
    if intraday := {lot.symbol for lot in there if lot.intraday}:
        said.append(
            f"warning: {_names(intraday)} would outlive the session: only a running engine closes "
            "intraday positions before the close"
        )
    if ending := {lot.symbol for lot in there if _ends_with_the_day(lot)}:
        said.append(f"warning: the DAY stops of {_names(ending)} end with the session and are not renewed")
    if kinds["gone"]:
        said.append(f"warning: in our books but not in the account: {_names(kinds['gone'])}")
    return said


def _protection(lot: LotOrders) -> str:
    """By which orders all shares that the account has of the lot would be sold (bought back)."""
    if not lot.to_exit:
        return "gone"
    for role in ("stop", "exit"):
        resting = (one for one in lot.orders.values() if one.role == role and one.status in PLAINLY_LIVE)
        if sum(one.remaining for one in resting) >= lot.to_exit:
            return role
    return "none"


def _ends_with_the_day(lot: LotOrders) -> bool:
    """Whether exits of it work that the broker lets expire at the close: those beside a DAY entry."""
    return lot.time_in_force == "day" and any(
        one.is_live and one.role in ("stop", "target") and one.parent_id == lot.entry_id
        for one in lot.orders.values()
    )


def _names(symbols: set[str]) -> str:
    return ", ".join(sorted(symbols))
