"""What is remembered between two comparisons with the broker: doubts, what was told, and `EXTERNAL`.

A difference is told once, as long as it stays as it is; what it asks for (a look-up, a cancellation) is asked
for again each time. A difference that outlives `MOST_READS` comparisons blocks its symbol and holds up
nothing else. What the account has beside our lots is kept by symbol, mended by every snapshot and by the
fills of others in between.
"""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

import msgspec

from actors.execution import reconcile
from actors.execution.entry_gate import EntryGate
from actors.execution.order_state import OrderState
from actors.execution.reconcile import Comparison, Difference
from runtime.messages.account import ExternalChanged, Reconciled
from runtime.messages.base import Decision
from runtime.messages.broker import BrokerOrder, BrokerPosition, BrokerSnapshot, OrderFilled
from runtime.messages.risk import Noted
from runtime.messages.trading import PositionMismatched

MOST_READS = 3
"""Comparisons that show the same unanswered difference before it is left to a person."""

_BILLION = 1_000_000_000
_with = msgspec.structs.replace


class WatchState(msgspec.Struct, frozen=True, kw_only=True):
    """What of a session's comparisons counts later: shares told of orders that are not ours, and moves.

    Attributes:
        read_at: As of when the account was last compared, ns UTC. gaps: shares that nobody explains.
    """

    read_at: int
    strangers: dict[str, int]
    moved: dict[str, int]
    gaps: dict[str, int]


class AccountWatch:
    """Compares snapshots with our books and knows what was said about it.

    Args:
        gate: Which symbols it keeps entries out of.
        external, doubted: As carried from the session before.
    """

    def __init__(self, gate: EntryGate, external: Iterable[ExternalChanged], doubted: Iterable[str]) -> None:
        self._gate = gate
        self._external = {one.symbol: one for one in external}
        self._doubted = dict.fromkeys(doubted, "our position differed from the broker's")
        for symbol, reason in self._doubted.items():
            gate.doubt(symbol, reason)
        self._seen: dict[tuple[str, str], tuple[str, str, int]] = {}
        """By kind and name: both sides as told, and how often in a row."""
        self._read_at = 0
        self._strangers: dict[str, int] = {}
        """Shares told of each order that is not ours."""
        self._moved: dict[str, int] = {}
        self._gaps: dict[str, int] = {}
        self.found: Comparison | None = None
        """The last comparison."""

    def state(self) -> WatchState:
        """What counts later in the session."""
        return WatchState(
            read_at=self._read_at, strangers=self._strangers, moved=self._moved, gaps=self._gaps
        )

    def restore(self, state: WatchState) -> None:
        """Know what another instance knew."""
        self._read_at = state.read_at
        self._strangers, self._moved = dict(state.strangers), dict(state.moved)
        self._gaps = dict(state.gaps)

    # ---- between two snapshots --------------------------------------------------------------

    def traded(self, symbol: str, now: int) -> None:
        """A symbol traded: a snapshot that was asked for before says nothing of its position."""
        self._moved[symbol] = now

    def stranger(self, fill: OrderFilled, now: int, cause: int) -> Iterator[Decision]:
        """Somebody else's order in our account traded."""
        seen = self._strangers.get(fill.client_order_id, 0)
        fresh = min(fill.quantity, fill.cumulative - seen)
        if fresh <= 0:
            return
        self._strangers[fill.client_order_id] = fill.cumulative
        self._moved[fill.symbol] = now
        if fill.ts_event < self._read_at:
            return  # the snapshot has it
        signed = fresh if fill.side == "buy" else -fresh
        before = self._external.get(fill.symbol) or ExternalChanged(
            ts_event=now, cause=cause, symbol=fill.symbol, quantity=0
        )
        yield from self._put(
            _with(before, ts_event=now, cause=cause, quantity=before.quantity + signed, last=fill.price)
        )

    def told(self, now: int, cause: int) -> Iterator[Decision]:
        """All of `EXTERNAL` again: a session begins."""
        for one in self.external:
            yield _with(one, ts_event=now, cause=cause)

    def moved_since(self, at: int) -> list[str]:
        """Symbols that traded from then on, ns UTC."""
        return [symbol for symbol, moment in self._moved.items() if moment >= at]

    def shares_beside(self) -> dict[str, Fraction]:
        """Shares by symbol that are not ours, with fractions."""
        return {
            symbol: one.quantity + Fraction(round(one.fraction * _BILLION), _BILLION)
            for symbol, one in self._external.items()
            if one.quantity or one.fraction
        }

    def was_split(self, symbol: str, beside: int) -> None:
        """Expect other whole shares beside ours from the next comparison on: they were split too."""
        self._gaps.pop(symbol, None)
        before = self._external.get(symbol)
        if before is not None:
            self._external[symbol] = _with(before, quantity=beside)

    # ---- a snapshot -------------------------------------------------------------------------

    def compare(
        self,
        snapshot: BrokerSnapshot,
        orders: Iterable[OrderState],
        held: Mapping[str, int],
        now: int,
        cause: int,
        component: str,
        unsure: Iterable[str] = (),
    ) -> Iterator[Decision]:
        """Tell what differs and what is asked for; a `Reconciled` ends it.

        Args:
            unsure: Symbols whose positions are not judged now.
        """
        shares = {symbol: one.quantity for symbol, one in self._external.items() if one.quantity}
        moved = [*self.moved_since(snapshot.ts_event), *unsure]
        # A doubt may outlive the lots it was about: that neither side holds anything is agreement too.
        ours = {**dict.fromkeys(self._doubted, 0), **held}
        found = self.found = reconcile.compare(orders, ours, shares, snapshot, moved)
        self._read_at = snapshot.ts_event
        waiting, fresh = self._sort(found)
        spoken = dict.fromkeys(fresh)
        for one in found.differences:
            for said in reconcile.messages((one,), now, cause, component):
                if one in spoken or not isinstance(said, Noted):
                    yield said
        yield from self._agree(found, held, now, cause, component)
        yield from self._others(snapshot, found, held, now, cause)
        if not waiting:
            self._gate.wait("")
        yield Reconciled(
            ts_event=now,
            cause=cause,
            reason=snapshot.reason,
            settled=not waiting,
            differences=len(found.differences),
            agreed=found.agreed,
            held={symbol: net for symbol, net in held.items() if net},
            external=len(self._external),
        )

    def _sort(self, found: Comparison) -> tuple[list[Difference], list[Difference]]:
        """Differences whose answer is waited for, and those that were not told before."""
        before, self._seen = self._seen, {}
        waiting: list[Difference] = []
        fresh: list[Difference] = []
        for one in found.differences:
            key = one.kind, one.client_order_id or one.symbol
            mine, theirs, times = before.get(key, ("", "", 0))
            if (mine, theirs) == (one.ours, one.broker):
                times += 1
            else:
                times = 1
                fresh.append(one)
            self._seen[key] = one.ours, one.broker, times
            if one.kind == "position" and times >= 2:
                self._gaps[one.symbol] = one.broker_net - one.ours_net  # one answer alone may be wrong
            if one.kind in ("position", "stray") or times >= MOST_READS:
                self._doubt(one)
            else:
                waiting.append(one)
        return waiting, fresh

    def _doubt(self, one: Difference) -> None:
        self._doubted[one.symbol] = reason = (
            f"{one.symbol} is in doubt: we had {one.ours}, the broker has {one.broker}"
        )
        self._gate.doubt(one.symbol, reason)

    def _agree(
        self, found: Comparison, held: Mapping[str, int], now: int, cause: int, component: str
    ) -> Iterator[Decision]:
        """Let entries into symbols that are in doubt no longer."""
        for symbol in found.agreed:
            self._gaps.pop(symbol, None)
            if symbol not in self._doubted or any(one.symbol == symbol for one in found.differences):
                continue
            del self._doubted[symbol]
            self._gate.doubt(symbol, "")
            ours = held.get(symbol, 0)
            text = f"{symbol}: our books agree with the broker's again, {ours} shares"
            yield Noted(ts_event=now, cause=cause, level="WARNING", component=component, text=text)
            yield PositionMismatched(ts_event=now, cause=cause, symbol=symbol, ours=ours, broker=ours)

    # ---- what is not ours -------------------------------------------------------------------

    def _others(
        self,
        snapshot: BrokerSnapshot,
        found: Comparison,
        held: Mapping[str, int],
        now: int,
        cause: int,
    ) -> Iterator[Decision]:
        """Bring `EXTERNAL` up to the snapshot."""
        positions = {one.symbol: one for one in snapshot.positions}
        orders: dict[str, list[BrokerOrder]] = {}
        for order in snapshot.orders:
            if not order.is_ours:
                orders.setdefault(order.symbol, []).append(order)
        for symbol in {**positions, **orders, **self._external}:
            there = positions.get(symbol) or BrokerPosition(symbol=symbol, quantity=0)
            quantity, is_alone = found.external.get(symbol, 0), not held.get(symbol)
            yield from self._put(
                ExternalChanged(
                    ts_event=now,
                    cause=cause,
                    symbol=symbol,
                    quantity=quantity,
                    fraction=there.fraction,
                    price=there.price if is_alone and (quantity or there.fraction) else 0.0,
                    last=there.last,
                    asset_class=there.asset_class,
                    orders=tuple(orders.get(symbol, ())),
                )
            )

    def _put(self, after: ExternalChanged) -> Iterator[Decision]:
        """Remember, and tell if more than a price has changed."""
        before = self._external.get(after.symbol)
        if after.quantity or after.fraction or after.orders:
            self._external[after.symbol] = after
        elif before is None:
            return
        else:
            del self._external[after.symbol]
        if before is None or _content(before) != _content(after):
            yield after

    def beside(self, symbol: str) -> int:
        """Shares that the account has beside our lots, those included that we cannot explain."""
        there = self._external.get(symbol)
        return (there.quantity if there else 0) + self._gaps.get(symbol, 0)

    def is_explained(self, symbol: str) -> bool:
        """Whether a difference in its position was confirmed."""
        return symbol in self._gaps

    def words(self) -> str:
        """What the account has beside our lots, for people."""
        found = []
        for symbol, one in self._external.items():
            if one.quantity or one.fraction:
                found.append(f"{symbol} {one.quantity + one.fraction:g} shares")
            if one.orders:
                found.append(f"{len(one.orders)} orders in {symbol}")
        return ", ".join(found)

    @property
    def external(self) -> list[ExternalChanged]:
        """What the account has beside our lots, to be carried."""
        return list(self._external.values())

    @property
    def doubted(self) -> list[str]:
        """Symbols in doubt, to be carried."""
        return list(self._doubted)


def _content(one: ExternalChanged) -> tuple[object, ...]:
    return one.quantity, one.fraction, one.price, one.asset_class, one.orders
