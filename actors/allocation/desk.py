"""From signals that may trade to sized entries: netting, priority, slots, caps (strategies 6.4 to 6.8, 7)."""

import math
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors.allocation import adaptive
from actors.allocation.commitments import Commitments
from actors.allocation.netting import contribution, net, priority
from actors.allocation.outside import Outside
from actors.allocation.roster import Roster
from actors.allocation.sizing import Caps, Need, Size, size
from actors.allocation.slots import may_open
from config.schema import Settings
from runtime.messages.risk import StrategyDay
from runtime.messages.trading import SignalRaised


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A signal that does not trade."""

    signal: SignalRaised
    reason: str
    detail: str = ""


class Planned(msgspec.Struct, frozen=True, gc=False):
    """A signal that trades: its prices moved to where it is sized, and its size.

    Attributes:
        price: USD per share that sizing counted with. shares: may be less than `sized` where the symbol's
            cap had to be shared.
        contributions: Signed contributions of the symbol's signals, where several spoke.
    """

    signal: SignalRaised
    price: float
    shares: int
    sized: Size
    contributions: dict[str, float]


class Money(msgspec.Struct):
    """What there is to trade with now: USD, the regime's scalar, the breakers' and the drawdown's factor."""

    equity: float
    cash: float
    scalar: float = 1.0
    factor: float = 1.0


class Desk:
    """Knows today's prices and what is promised; turns chosen signals into sizes.

    Args:
        symbols: The session's symbol table.
        adv: (S,) average daily volume, USD; NaN where unknown.
        sigma: (S,) annual volatility of 20 sessions, a fraction; NaN where unknown.
    """

    def __init__(
        self,
        settings: Settings,
        symbols: tuple[str, ...],
        adv: NDArray[np.float64],
        sigma: NDArray[np.float64],
        roster: Roster,
        commitments: Commitments,
        outside: Outside,
    ) -> None:
        account = settings.account
        self._account = account
        self._min_balance = settings.ensemble.conflict_rho
        self._adaptive = settings.ensemble.adaptive_sizing
        self._exempt = frozenset(settings.regime.vix_scalar_exempt)
        self._caps = Caps(
            risk_per_trade=account.risk_per_trade,
            max_position_pct=account.max_position_pct,
            max_position_size=account.max_position_size,
            cash_buffer_pct=account.cash_buffer_pct,
            max_adv_frac=account.max_adv_frac,
            min_order_value=account.min_order_value,
        )
        self._ids = {symbol: place for place, symbol in enumerate(symbols)}
        self._adv = adv
        self._sigma = sigma
        self._roster = roster
        self._commitments = commitments
        self._outside = outside
        self.closes = np.full(len(symbols), np.nan)
        self.days: dict[str, StrategyDay] = {}

    def add_symbol(self, symbol: str, place: int) -> None:
        """A symbol joined the table."""
        self._ids[symbol] = place
        missing = place + 1 - len(self.closes)
        if missing > 0:
            gap = np.full(missing, np.nan)
            self.closes, self._adv, self._sigma = (
                np.concatenate((known, gap)) for known in (self.closes, self._adv, self._sigma)
            )

    def price(self, symbol: str) -> float:
        """Last close of today, USD; NaN before the first bar."""
        place = self._ids.get(symbol)
        return math.nan if place is None else self.closes.item(place)

    def plan(self, ready: dict[str, list[SignalRaised]], money: Money) -> Iterator[Planned | Refused]:
        """Net each symbol's signals, then serve the best first.

        Whoever consumes a `Planned` must have promised it (`Commitments.propose`) before asking for the
        next: later signals see what earlier ones took.
        """
        allocations = self._roster.allocations
        chosen: list[tuple[list[SignalRaised], float]] = []
        for group in ready.values():
            if len(group) == 1:
                chosen.append((group, 1.0))
                continue
            verdict = net(group, allocations, self._min_balance)
            for signal, reason in verdict.lost:
                yield Refused(signal, reason)
            best: dict[str, SignalRaised] = {}
            for signal in sorted(verdict.kept, key=lambda s: priority(s, allocations[s.strategy])):
                if signal.strategy in best:
                    yield Refused(signal, "DUPLICATE")
                else:
                    best[signal.strategy] = signal
            if best:
                chosen.append((list(best.values()), verdict.scale))
        if len(chosen) > 1:
            chosen.sort(key=lambda pair: priority(pair[0][0], allocations[pair[0][0].strategy]))
        for group, scale in chosen:
            heard = ready[group[0].symbol]
            said = self._said(heard) if len(heard) > 1 else {}
            if len(group) == 1:
                yield self._one(group[0], scale, money, said)
            else:
                yield from self._several(group, scale, money, said)

    def _said(self, group: list[SignalRaised]) -> dict[str, float]:
        """Signed contributions of a symbol's signals."""
        allocations = self._roster.allocations
        return {
            s.strategy: (1 if s.direction == "long" else -1) * contribution(s, allocations[s.strategy])
            for s in group
        }

    def _one(
        self, signal: SignalRaised, scale: float, money: Money, said: dict[str, float]
    ) -> Planned | Refused:
        no_slot = self._no_slot(signal)
        if no_slot:
            return Refused(signal, "NO_SLOT", no_slot)
        price = self._entry_price(signal)
        if signal.stop_follows_fill or signal.target_follows_fill:
            signal = at_price(signal, price)
        sized = self._size(signal, price, scale, money)
        if sized.shares == 0:
            return Refused(signal, "BELOW_MIN", _tightest(sized))
        return Planned(signal, price, sized.shares, sized, said)

    def _several(
        self, group: list[SignalRaised], scale: float, money: Money, said: dict[str, float]
    ) -> Iterator[Planned | Refused]:
        """Size each contributor for itself, then share the symbol's cap pro rata (strategies 6.7)."""
        sizes: list[tuple[SignalRaised, float, Size]] = []
        for signal in group:
            no_slot = self._no_slot(signal)
            if no_slot:
                yield Refused(signal, "NO_SLOT", no_slot)
                continue
            price = self._entry_price(signal)
            moved = at_price(signal, price)
            sized = self._size(moved, price, scale, money)
            if sized.shares == 0:
                yield Refused(signal, "BELOW_MIN", _tightest(sized))
            else:
                sizes.append((moved, price, sized))
        wanted = sum(sized.shares * price for _, price, sized in sizes)
        room = min((min(sized.caps["PCT"], sized.caps["ABS"]) for _, _, sized in sizes), default=0.0)
        share = min(1.0, room / wanted) if wanted > 0 else 0.0
        for signal, price, sized in sizes:
            cash = self._caps_left(money)
            shares = min(math.floor(sized.shares * share + 1e-9), math.floor(max(cash, 0.0) / price))
            if shares < 1 or shares * price < self._caps.min_order_value:
                yield Refused(signal, "BELOW_MIN", "cap PCT" if share < 1 else "cap CASH")
            else:
                yield Planned(signal, price, shares, sized, said)

    def _caps_left(self, money: Money) -> float:
        """USD of cash that nobody has been promised, above the buffer."""
        return money.cash - self._commitments.on_order() - self._caps.cash_buffer_pct * money.equity

    def _no_slot(self, signal: SignalRaised) -> str:
        """Why the strategy may not take the symbol now, or empty."""
        commitments, roster = self._commitments, self._roster
        claim = roster.claims[signal.strategy]
        if signal.symbol not in commitments.by_symbol:
            if len(commitments.by_symbol) >= self._account.max_positions:
                return "account limit of positions"
            if not may_open(claim, roster.quotas, commitments.counts, roster.ordered):
                return "strategy quota"
        elif commitments.counts.get(signal.strategy, 0) >= claim.max_positions:
            return "strategy maximum"
        return ""

    def _size(self, signal: SignalRaised, price: float, scale: float, money: Money) -> Size:
        name, commitments = signal.strategy, self._commitments
        claim = self._roster.claims[name]
        place = self._ids[signal.symbol]
        adv = self._adv.item(place)
        scalar = money.scalar
        if scalar < 1 and signal.symbol in self._exempt:
            scalar = 1.0
        slot_factor, risk = 1.0, self._caps.risk_per_trade
        if self._adaptive:
            earned = adaptive.scale(
                self.days.get(name), self._sigma.item(place), signal.weight is not None, risk
            )
            slot_factor, risk = earned.slot, earned.risk
        need = Need(
            price=price,
            stop=signal.stop_loss,
            equity=money.equity,
            cash=money.cash - commitments.on_order(),
            sleeve=claim.allocation * (1 - self._account.cash_buffer_pct) * money.equity,
            sleeve_used=commitments.used(name),
            slots=self._roster.slots[name],
            held_symbol=commitments.symbol_value(signal.symbol, price)
            + self._outside.value(signal.symbol, price),
            adv=math.inf if math.isnan(adv) else adv,
            scalar=scalar,
            multiplier=scale * signal.size_factor * money.factor,
            weight=signal.weight,
            quantity=signal.quantity,
            slot_factor=slot_factor,
            risk=risk,
        )
        sized = size(need, self._caps)
        sized.caps["scalar"], sized.caps["multiplier"] = scalar, need.multiplier
        return sized

    def _entry_price(self, signal: SignalRaised) -> float:
        """What sizing counts with: the resting trigger or limit, else the last close."""
        style = signal.entry
        if style.type in ("stop", "stop_limit") and style.stop is not None:
            return style.stop
        if style.type == "limit" and style.limit is not None:
            return style.limit
        return self.price(signal.symbol)


def _tightest(sized: Size) -> str:
    """The cap that left too little, in words."""
    caps = {name: usd for name, usd in sized.caps.items() if name not in ("scalar", "multiplier")}
    return f"cap {min(caps, key=caps.__getitem__)}"


def at_price(signal: SignalRaised, price: float) -> SignalRaised:
    """Stop and target that follow the fill, moved to the price it is sized at (an overnight gap)."""
    move = price - signal.price
    if not move:
        return signal
    stop, target = signal.stop_loss, signal.take_profit
    if signal.stop_follows_fill and stop is not None:
        stop += move
    if signal.target_follows_fill and target is not None:
        target += move
    return msgspec.structs.replace(signal, stop_loss=stop, take_profit=target)
