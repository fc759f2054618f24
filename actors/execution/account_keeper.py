"""Keeps lots in the account they live in: what the broker says of it, and that exits fit what is there.

After each comparison every lot's stop and target are for the shares that may be exited: neither fewer, for
then a share stands without a stop, nor more, for then the broker refuses them or sells what is not ours.
Source: architecture 4; faults.md C 35-36 and D 41.
"""

from collections.abc import Iterable, Iterator

from actors.execution import cover, order_state
from actors.execution.account_side import AccountSide
from actors.execution.lot_keeper import LotKeeper
from actors.execution.lot_orders import LotOrders
from actors.execution.refusals import Level, is_mismatch
from config.schema import Orders
from runtime.messages.account import AssetsRead, ExternalChanged, ReadAccount
from runtime.messages.base import Decision
from runtime.messages.broker import (
    BrokerAccount,
    BrokerSnapshot,
    BrokerStreamChanged,
    FillCorrected,
    OrderFilled,
    OrderRejected,
)
from runtime.messages.risk import PhaseChanged


class AccountKeeper(LotKeeper):
    """Lots, and the account around them.

    Args:
        halt_rest: No entries in a symbol for so long after its halt ended, ns (strategies 0).
        reconciles: Whether there is a broker whose account can differ from our books: a real one.
        external, doubted: As carried.
    """

    def __init__(
        self,
        settings: Orders,
        lots: Iterable[LotOrders],
        *,
        is_halted: bool,
        cancel_protective: bool,
        halt_rest: int,
        reconciles: bool,
        external: Iterable[ExternalChanged],
        doubted: Iterable[str],
    ) -> None:
        super().__init__(settings, lots, is_halted=is_halted, cancel_protective=cancel_protective)
        self._account = AccountSide(
            settings,
            is_halted=is_halted,
            rest=halt_rest,
            reconciles=reconciles,
            external=external,
            doubted=doubted,
        )
        self._gate = self._account.gate
        self._bare: dict[str, tuple[int, int]] = {}
        """By lot: shares held and covered, as told last."""

    # ---- what the account is ----------------------------------------------------------------

    def on_broker_stream_changed(self, change: BrokerStreamChanged) -> Iterator[Decision]:
        """No entry while its events may not reach us; exits and cancellations never wait.

        Without such an input (a simulated broker tells everything) the stream counts as ready. At the first
        word of a process the entries go that were left to work without it: those that outlive a day.
        """
        self._gate.stream(change.ready, change.reason)
        if not change.started:
            return
        self._account.started()
        for lot in self._lots.values():
            if lot.time_in_force == "gtc":
                yield from self._end_entry(lot, "left from before a restart")

    def _awaits_news(self) -> tuple[Decision, ...]:
        return self._account.sent(self.now, self.seq)

    def on_broker_account(self, account: BrokerAccount) -> None:
        self._gate.account(blocked=account.blocked, can_short=account.shorting_enabled)

    def on_assets_read(self, assets: AssetsRead) -> None:
        self._gate.assets(assets.untradable, assets.unborrowable)

    def on_phase_changed(self, change: PhaseChanged) -> Iterator[Decision]:
        return self._account.phase(change, self.now, self.seq)

    def on_broker_snapshot(self, snapshot: BrokerSnapshot) -> Iterator[Decision]:
        """Compare positions, open orders and what they cover with ours (architecture 4)."""
        yield from self._account.compare(snapshot, self._lots.values(), self.now, self.seq)
        found = self._account.watch.found
        if found is None:
            return
        held = dict.fromkeys(lot.symbol for lot in self._lots.values() if lot.held > 0)
        for symbol in held:
            if symbol in found.agreed or self._account.watch.is_explained(symbol):
                yield from self._ration(symbol)
        bare, self._bare = self._bare, {}
        for one in list(cover.uncovered(self._lots.values(), snapshot.orders, found.moving)):
            lot, sizes = one.lot, (one.lot.to_exit, one.shares)
            self._bare[lot.lot_id] = sizes
            if bare.get(lot.lot_id) != sizes:
                yield self._noted("ERROR", one.text())
            lot.is_uncovered = True
            yield from self._advance(lot)

    def external_words(self) -> str:
        """What the account has beside our lots, for people; empty: nothing."""
        return self._account.watch.words()

    # ---- shares that are not where our books have them ---------------------------------------

    def _others_traded(self, event: OrderFilled) -> Iterator[Decision]:
        """Somebody else's order in our account traded; it may have sold shares of ours."""
        yield from self._account.watch.stranger(event, self.now, self.seq)
        yield from self._ration(event.symbol)

    def _ration(self, symbol: str) -> Iterator[Decision]:
        """Let stops and exits of a symbol's lots be for what the account has of them."""
        lots = [lot for lot in self._lots.values() if lot.symbol == symbol]
        for lot, missing in cover.rationed(lots, self._account.watch.beside(symbol)):
            lot.missing, lot.is_corrected = missing, True
            text = f"{symbol}: of the {lot.held} shares of lot {lot.lot_id} "
            if missing:
                text += f"{missing} are not in the account: somebody else sold or bought them"
                # A position that differs was told as critical already.
                level: Level = "WARNING" if self._account.watch.is_explained(symbol) else "CRITICAL"
                yield self._noted(level, f"{text}; its stop and exits are for {lot.to_exit}")
            else:
                yield self._noted("WARNING", f"{text}none is missing in the account any more")
            yield from self._advance(lot)
        is_eaten = any(lot.missing for lot in lots)
        self._gate.eaten(symbol, f"shares of ours in {symbol} are not in the account" if is_eaten else "")

    def _refused_reduction(self, event: OrderRejected) -> Iterator[Decision]:
        """An exit or stop was refused: maybe the account does not have the shares."""
        is_about_shares = event.code // 10_000 == _FORBIDDEN or is_mismatch(event.reason)
        if self._account.reconciles and is_about_shares and not self._gate.is_deaf:
            yield ReadAccount(ts_event=self.now, cause=self.seq)

    def on_fill_corrected(self, event: FillCorrected) -> Iterator[Decision]:
        """A fill was taken back or changed: what rests must not be more than is held, nor less."""
        lot = self._lot_of.get(event.client_order_id) or self._lot_of.get(event.parent_id)
        before = lot.orders.get(event.client_order_id) if lot else None
        if lot is None or before is None:
            return  # the portfolio says so
        after = order_state.corrected(before, event)
        if after is before:
            return
        if self._account.reconciles:
            self._account.watch.traded(event.symbol, self.moment.now)
        lot.is_corrected = True
        yield from self._told(lot, before, after)
        if after.role != "entry" and after.filled != before.filled:
            # The broker had made its sibling smaller, and does not say that it makes it larger again.
            lot.is_uncovered = True
        if lot.held < 0:
            text = f"lot {lot.lot_id} holds {lot.held} shares of {lot.symbol} after a correction"
            yield self._noted("CRITICAL", f"{text}; a person must buy or sell them")
        yield from self._advance(lot)


_FORBIDDEN = 4031
