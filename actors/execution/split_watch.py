"""Were the shares of a symbol split? What was announced, what the broker holds and what the market shows.

Only lots of an earlier session can be split: what was entered today is in today's shares. A split counts when
the broker's position has changed by its ratio without a fill, and it was announced, or yesterday's close over
today's first price shows the same ratio. Announced for today while shares and prices are the old ones, it is
awaited. What neither explains stays a difference that a person must look at.
Source: strategies 0; faults.md G 65.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

from actors.execution.lot_orders import LotOrders
from actors.execution.rescale import agrees, usual_ratios
from runtime.messages.broker import BrokerSnapshot
from runtime.messages.corporate import CorporateAction, SplitSource
from runtime.messages.market import OPEN, Bars

_BILLION = 1_000_000_000


class DayFacts(NamedTuple):
    """What the watch knows of its session.

    Attributes:
        session: ISO date. open: ns UTC. ids: symbol to its place in frames.
        previous_close: Of a symbol, USD in yesterday's shares; NaN unknown.
        tolerance: How near the price ratio must be to a ratio of shares nobody announced, a fraction.
    """

    session: str
    open: int
    ids: Mapping[str, int]
    previous_close: Callable[[str], float]
    tolerance: float


class Verdict(NamedTuple):
    """What holds of one symbol's lots.

    Attributes:
        kind: `split`: by the ratio; `wait`: it is not known yet; `none`: their shares are the old ones.
        total: Whole shares that all of them have after a split. external: whole shares that are not ours.
        name: Of the split, the same whenever it is found again.
    """

    kind: Literal["split", "wait", "none"]
    symbol: str
    lots: tuple[LotOrders, ...]
    reason: str = ""
    ratio: Fraction = Fraction(1)
    total: int = 0
    external: int = 0
    source: SplitSource = "announced"
    ex_date: str = ""
    name: str = ""


class Holding(NamedTuple):
    """One symbol at the time of a snapshot.

    Attributes:
        before: Net shares of the lots that a split can have changed. others: what is not ours beside them.
        after: What the broker holds of both now. whole: the whole shares of that.
        last: The broker's last price, USD; 0 unknown.
        explained: Whether every order of ours is as we know it, so that no fill can be missing.
    """

    symbol: str
    lots: tuple[LotOrders, ...]
    before: int
    others: Fraction
    after: Fraction
    last: float
    explained: bool


class SplitWatch:
    """Weighs the evidence for the lots of earlier sessions.

    Args:
        facts: None: nothing is announced and nothing compared, as against a simulated broker.
        elder: The lots that were carried; those entered in an earlier part of the session do not count.
    """

    def __init__(self, facts: DayFacts | None, elder: Iterable[LotOrders]) -> None:
        self._facts = facts
        lots = [lot for lot in elder if facts is not None and lot.session != facts.session]
        self.elder = dict.fromkeys(lot.lot_id for lot in lots)
        self._unseen = dict.fromkeys(lot.symbol for lot in lots)
        """Their symbols, as long as they have no price of today."""
        self._announced: dict[str, CorporateAction] = {}
        self._first: dict[str, float] = {}
        """First price of the session by symbol, USD."""
        self.is_open = False
        """Whether the market has traded for minutes, so that a last price is one of today."""
        self._is_told = False
        """Whether the day's announcements were read, or cannot be."""

    @property
    def is_on(self) -> bool:
        """Whether there is anything that a split could change."""
        return self._facts is not None and bool(self.elder)

    def announce(self, actions: Iterable[CorporateAction]) -> None:
        """Remember the newest split of each symbol up to today."""
        self._is_told = True
        today = self._facts.session if self._facts is not None else ""
        for one in actions:
            known = self._announced.get(one.symbol)
            is_split = one.numerator > 0 < one.denominator and one.ex_date <= today
            if is_split and (known is None or known.ex_date <= one.ex_date):
                self._announced[one.symbol] = one

    def due(self, symbol: str) -> CorporateAction | None:
        """The split of a symbol that takes effect today, if one was announced."""
        found = self._announced.get(symbol)
        return found if found and self._facts and found.ex_date == self._facts.session else None

    def see(self, bars: Bars) -> list[str]:
        """Note first prices of the day; the symbols that have one now."""
        facts = self._facts
        if not self._unseen or facts is None or bars.ts_event < facts.open:
            return []
        fresh = []
        for symbol in self._unseen:
            place = facts.ids.get(symbol, -1)
            at = int(bars.ids.searchsorted(place))
            if place >= 0 and at < len(bars.ids) and bars.ids.item(at) == place:
                self._first[symbol] = bars.values.item(OPEN, at)
                fresh.append(symbol)
        for symbol in fresh:
            del self._unseen[symbol]
        return fresh

    # ---- a snapshot -------------------------------------------------------------------------

    def judge(
        self,
        snapshot: BrokerSnapshot,
        lots: Iterable[LotOrders],
        others: Mapping[str, Fraction],
        moved: Sequence[str],
    ) -> list[Verdict]:
        """What holds of every symbol that a split can have changed.

        Args:
            others: Shares that are not ours, with fractions. moved: symbols that traded while the broker was
                asked.
        """
        if not self.is_on:
            return []
        mine: dict[str, list[LotOrders]] = {}
        fresh: dict[str, int] = {}
        for lot in lots:
            if lot.lot_id not in self.elder:
                fresh[lot.symbol] = fresh.get(lot.symbol, 0) + lot.net
            elif not lot.is_over:
                mine.setdefault(lot.symbol, []).append(lot)
        there = {one.symbol: one for one in snapshot.positions}
        found = []
        for symbol, group in mine.items():
            position = there.get(symbol)
            shares = Fraction(0)
            if position is not None:
                shares = position.quantity + Fraction(round(position.fraction * _BILLION), _BILLION)
            holding = Holding(
                symbol=symbol,
                lots=tuple(group),
                before=sum(lot.net for lot in group),
                others=others.get(symbol, Fraction(0)),
                after=shares - fresh.get(symbol, 0),
                last=position.last if position else 0.0,
                explained=symbol not in moved and _is_explained(group, snapshot),
            )
            if holding.before:
                found.append(self._of(holding))
        return found

    def _of(self, held: Holding) -> Verdict:
        total = held.before + held.others
        known = self._announced.get(held.symbol)
        if known is not None and any(_is_behind(known, lot) for lot in held.lots):
            known = None
        if known is not None:
            by = Fraction(known.numerator, known.denominator)
            # A share or two may be as many as before by rounding; then the price must tell.
            if agrees(total, held.after, by) and (held.after != total or self._shows(held, by)):
                return self._split(held, by, "announced", known.ex_date)
            waits = held.after != total and any(lot.waits for lot in held.lots)
            if waits or self.due(held.symbol) is not None:
                return self._awaited(held, by, is_old=held.after == total)
        if held.after == total:
            return Verdict("none", held.symbol, held.lots)
        if not self._is_told:
            reason = f"the broker has {_text(held.after)} shares where we had {_text(total)}"
            return Verdict("wait", held.symbol, held.lots, f"{reason}; announcements are not read yet")
        return self._unannounced(held, total)

    def _shows(self, held: Holding, by: Fraction) -> bool:
        """Whether today's first price is nearer to a split by a ratio than to none."""
        if held.symbol not in self._first or self.due(held.symbol) is None:
            return False
        price = self._price_ratio(held)
        return price > 0 and abs(math.log(price / by)) < abs(math.log(price))

    def _awaited(self, held: Holding, by: Fraction, *, is_old: bool) -> Verdict:
        what = f"a split of {held.symbol} by {by.numerator} for {by.denominator} is announced"
        # The broker's last price may be of yesterday: only a bar can show that there is no split.
        is_priced = held.symbol in self._first and self._price_ratio(held) > 0
        if is_old and is_priced and not self._shows(held, by):
            reason = f"{what}; neither the broker's shares nor the price show it"
            return Verdict("none", held.symbol, held.lots, reason)
        shares = "the broker still has the old shares" if is_old else "the broker's shares are neither number"
        return Verdict("wait", held.symbol, held.lots, f"{what} and {shares}")

    def _unannounced(self, held: Holding, total: Fraction) -> Verdict:
        """Nobody told of it: shares and price must show the same ratio."""
        likely = usual_ratios(int(total), int(held.after))
        if not likely or self._facts is None:
            return Verdict("none", held.symbol, held.lots)
        price = self._price_ratio(held)
        if price:
            best = min(likely, key=lambda by: abs(price / by - 1))
            if abs(price / best - 1) <= self._facts.tolerance:
                return self._split(held, best, "seen", self._facts.session)
        if held.symbol in self._first or self.is_open:
            return Verdict("none", held.symbol, held.lots)
        reason = f"the broker has {_text(held.after)} shares where we had {_text(total)}"
        more = "; nobody told of a split, the first price may show one"
        return Verdict("wait", held.symbol, held.lots, reason + more)

    def _split(self, held: Holding, by: Fraction, source: SplitSource, ex_date: str) -> Verdict:
        if not held.explained:
            return Verdict(
                "wait", held.symbol, held.lots, f"{held.symbol} was split; its orders are looked up"
            )
        whole = int(held.after)
        total = whole if not held.others else int(held.before * by)
        return Verdict(
            "split", held.symbol, held.lots, ratio=by, total=total, external=whole - total, source=source,
            ex_date=ex_date, name=f"{ex_date} {by.numerator}:{by.denominator}",
        )  # fmt: skip

    def _price_ratio(self, held: Holding) -> float:
        """Yesterday's close over today's first price, else over the broker's last; 0 if either is unknown."""
        if self._facts is None:
            return 0.0
        before = self._facts.previous_close(held.symbol)
        now = self._first.get(held.symbol, 0.0) or held.last
        return before / now if before > 0 and now > 0 else 0.0


def _text(shares: Fraction) -> str:
    return f"{float(shares):g}"


def _name(action: CorporateAction) -> str:
    by = Fraction(action.numerator, action.denominator)
    return f"{action.ex_date} {by.numerator}:{by.denominator}"


def _is_behind(action: CorporateAction, lot: LotOrders) -> bool:
    """Whether a lot has had a split already, or was entered in the new shares."""
    return _name(action) in lot.splits or action.ex_date <= lot.session


def _is_explained(lots: Sequence[LotOrders], snapshot: BrokerSnapshot) -> bool:
    """Whether the broker lists every live order of the lots with the fills that we know."""
    listed = {one.client_order_id: one.filled for one in snapshot.orders}
    for lot in lots:
        if lot.entry.is_live:
            return False
        for one in lot.live:
            name = one.client_order_id if one.client_order_id in listed else one.parent_id
            if name not in listed or (name == one.client_order_id and listed[name] != one.filled):
                return False
    return True
