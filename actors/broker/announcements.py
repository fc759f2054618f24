"""Corporate actions as the data host lists them, in our terms.

Dates: the ex date where there is one, else the day on which it takes effect, else the day it is processed.
What cannot be read is left out and counted; what is outside the symbols that matter never leaves here.
Source: alpaca.md 4.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from actors.execution.rescale import ratio
from runtime.errors import BrokerUnavailable
from runtime.messages.corporate import ActionKind, CorporateAction

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SYMBOL = re.compile(r"[A-Z][A-Z0-9./-]{0,14}")
_MERGERS = ("cash_mergers", "stock_mergers", "stock_and_cash_mergers")


class _Form(NamedTuple):
    """How one list is read: the kind, and the fields of the symbol and of what it becomes."""

    kind: ActionKind
    symbol: str = "symbol"
    into: str = ""
    rates: bool = False


_FORMS: dict[str, _Form] = {
    "forward_splits": _Form("split", rates=True),
    "reverse_splits": _Form("split", rates=True),
    "unit_splits": _Form("unit_split", "old_symbol", "new_symbol"),
    "stock_dividends": _Form("stock_dividend"),
    "spin_offs": _Form("spin_off", "source_symbol", "new_symbol"),
    **{name: _Form("merger", "acquiree_symbol", "acquirer_symbol") for name in _MERGERS},
    "redemptions": _Form("delisting"),
    "worthless_removals": _Form("delisting"),
    "name_changes": _Form("name_change", "old_symbol", "new_symbol"),
}

TYPES = (
    "forward_split,reverse_split,unit_split,stock_dividend,spin_off,cash_merger,stock_merger,"
    "stock_and_cash_merger,redemption,worthless_removal,name_change"
)
"""What is asked for; cash dividends change no share."""


def read(page: Mapping[str, Any], symbols: Collection[str]) -> tuple[list[CorporateAction], int]:
    """The announcements of a page about these symbols, and how many could not be read.

    Raises:
        BrokerUnavailable: It is no list of announcements.
    """
    lists = page.get("corporate_actions")
    if not isinstance(lists, dict):
        raise BrokerUnavailable("corporate actions that are none", is_unknown=False)
    found: list[CorporateAction] = []
    bad = 0
    for name, form in _FORMS.items():
        for row in _rows(lists.get(name)):
            action = _action(row, form)
            if action is None:
                bad += 1
            elif action.symbol in symbols:
                found.append(action)
    return found, bad


def _rows(listed: object) -> Iterator[object]:
    if listed is None:
        return
    if not isinstance(listed, list):
        raise BrokerUnavailable("corporate actions that are none", is_unknown=False)
    yield from listed


def _action(row: object, form: _Form) -> CorporateAction | None:
    if not isinstance(row, dict):
        return None
    symbol, date = _text(row.get(form.symbol), _SYMBOL), _date(row)
    if not symbol or not date:
        return None
    into = _text(row.get(form.into), _SYMBOL) if form.into else ""
    if not form.rates:
        return CorporateAction(kind=form.kind, symbol=symbol, ex_date=date, into=into)
    new, old = _rate(row.get("new_rate")), _rate(row.get("old_rate"))
    by = ratio(new, old)
    if by is None:
        return None
    return CorporateAction(
        kind=form.kind, symbol=symbol, ex_date=date, numerator=by.numerator, denominator=by.denominator
    )


def _date(row: Mapping[str, Any]) -> str:
    told = (_text(row.get(name), _DATE) for name in ("ex_date", "effective_date", "process_date"))
    return next((date for date in told if date), "")


def _text(value: object, form: re.Pattern[str]) -> str:
    """Foreign text that has the form it must have, else nothing."""
    return value if isinstance(value, str) and form.fullmatch(value) else ""


def _rate(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0.0
    try:
        return float(value)
    except (ValueError, OverflowError):
        return 0.0
