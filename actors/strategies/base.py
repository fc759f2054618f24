"""How a strategy speaks: what it is told, what it may say. Also the base of a strategy of your own.

A strategy reads bars and its own holdings and raises signals; it never sizes, sends or looks at a clock.
Only the handlers that a class defines are ever called, so what it does not listen to costs nothing.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import msgspec

from actors.strategies.context import MINUTE, Daily, Holding, StrategyContext
from actors.strategies.parameters import ParameterError, ParameterSpec, params_hash, unknown, validate
from actors.strategies.speech import clipped, few
from runtime.messages.base import Decision
from runtime.messages.market import Bars
from runtime.messages.trading import Direction, EntryStyle, SignalRaised

__all__ = ["Bars", "Daily", "EntryStyle", "Holding", "ParameterSpec", "SignalRaised", "Strategy"]

Said = Iterable[Decision] | None
"""What a handler returns; most are generators."""

OPENING_DELAY = 5 * MINUTE
"""A signal raised after the close trades from minute 5 of the next session on (strategies 3.1)."""


_AT_MARKET = EntryStyle()
_NO_FEATURES: dict[str, float] = {}


def scaled(value: float, low: float, high: float) -> float:
    """Strength of a measure: 0.3 at `low`, 1 at `high` (strategies 1)."""
    if high <= low:
        return 1.0 if value >= high else 0.3
    return 0.3 + 0.7 * min(max((value - low) / (high - low), 0.0), 1.0)


class Strategy:
    """Base of every strategy: subclass it, name the class in the settings as `module:Class`.

    Define any of `on_session_started`, `on_bars`, `on_bars_revised`, `on_daily_ready`,
    `on_phase_changed`, `on_regime_changed`, `on_lot`, `on_signal_dropped`, each taking one argument
    (the first one none) and yielding what `buy`, `sell_short` and `close` make. What must survive the
    session goes through `carry` and `restore`; everything else is rebuilt by `start` every day.
    """

    name: ClassVar[str] = ""
    """What it is called when the settings do not name it otherwise."""
    intraday: ClassVar[bool] = False
    """Whether every position is closed when MARKET_CLOSE begins."""

    class Params(msgspec.Struct, frozen=True, kw_only=True):
        """Its numbers, with defaults; a key of the settings that is no field is refused."""

    SPECS: ClassVar[tuple[ParameterSpec, ...]] = ()
    """Bounds of the parameters, for people and for research."""

    params: Any

    def __init__(self, params: Any, context: StrategyContext) -> None:
        self.params = params
        self.params_hash = self._own_hash = params_hash(params)
        self.context = context
        self.is_intraday = self.intraday or context.intraday
        self.start()

    # ---- what a subclass may define ---------------------------------------------------------

    def start(self) -> None:
        """Set up the day's state from `self.params` and `self.context`."""

    def carry(self) -> msgspec.Struct | None:
        """State of its own that must cross the session's end."""
        return None

    def restore(self, state: bytes) -> None:
        """Take back, at the session's start, what `carry` returned, as msgpack."""

    def readiness(self) -> tuple[str, str]:
        """State to report at the session's start, and why: ACTIVE, DEGRADED, INACTIVE or SHADOW."""
        return "ACTIVE", ""

    # ---- what it may ask --------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Time of the input being handled, ns UTC."""
        return self.context.moment.now

    def held(self, symbol: int | str) -> list[Holding]:
        """Its open lots in a symbol."""
        return self.context.held(self._name_of(symbol))

    def busy(self, symbol: int | str) -> bool:
        """Whether it holds the symbol or has an entry on its way."""
        name = self._name_of(symbol)
        return bool(self.context.held(name) or self.context.on_its_way(name, self.now))

    def _name_of(self, symbol: int | str) -> str:
        return symbol if isinstance(symbol, str) else self.context.symbols[symbol]

    # ---- what it may say --------------------------------------------------------------------

    # Keywords written out and handed on by place: gathered as `**more` they would cost half of the signal.

    def buy(
        self, symbol: int | str, *, stop: float | None, target: float | None, reason: str,
        price: float | None = None, strength: float = 0.5, confidence: float = 0.5,
        features: Mapping[str, float] | None = None, expires_at: int = 0, not_before: int = 0,
        entry: EntryStyle | None = None, weight: float | None = None, group_id: str | None = None,
        quantity: int | None = None, target_follows_fill: bool = False, stop_follows_fill: bool = False,
        size_factor: float = 1.0,
    ) -> SignalRaised:  # fmt: skip
        """Open a long position.

        Args:
            symbol: Id or name.
            stop: Where it is given up, USD, below the price. target: where it is taken, above it. None where
                the settings do not ask for one (`limits.require_exits`): without a stop nothing at the
                broker protects the position, and sizing counts its whole price as the risk.
            price: Reference, USD; by default the symbol's last close.
            strength, confidence: 0 to 1; their product must reach the ensemble's gate (0.15).
            features: The numbers that decided, for `explain`; those not finite are left out.
            expires_at, not_before: ns UTC; by default five minutes from now, or minutes 5 to 60 of the
                next session once this one has closed (the settings say how many).
            entry: How it is sent; by default as a market order.
        """
        return self._entry_signal(
            symbol, "BUY", stop, target, reason, price, strength, confidence, features, expires_at,
            not_before, entry, weight, group_id, quantity, target_follows_fill, stop_follows_fill,
            size_factor,
        )  # fmt: skip

    def sell_short(
        self, symbol: int | str, *, stop: float | None, target: float | None, reason: str,
        price: float | None = None, strength: float = 0.5, confidence: float = 0.5,
        features: Mapping[str, float] | None = None, expires_at: int = 0, not_before: int = 0,
        entry: EntryStyle | None = None, weight: float | None = None, group_id: str | None = None,
        quantity: int | None = None, target_follows_fill: bool = False, stop_follows_fill: bool = False,
        size_factor: float = 1.0,
    ) -> SignalRaised:  # fmt: skip
        """Open a short position, likewise; dropped with NO_SHORT where the account may not."""
        return self._entry_signal(
            symbol, "SELL", stop, target, reason, price, strength, confidence, features, expires_at,
            not_before, entry, weight, group_id, quantity, target_follows_fill, stop_follows_fill,
            size_factor,
        )  # fmt: skip

    def _entry_signal(
        self, symbol: int | str, signal_type: Literal["BUY", "SELL"], stop: float | None,
        target: float | None, reason: str, price: float | None, strength: float, confidence: float,
        features: Mapping[str, float] | None, expires_at: int, not_before: int, entry: EntryStyle | None,
        weight: float | None, group_id: str | None, quantity: int | None, target_follows_fill: bool,
        stop_follows_fill: bool, size_factor: float,
    ) -> SignalRaised:  # fmt: skip
        context = self.context
        now = context.moment.now
        if not not_before and now >= context.close and context.next_open:
            not_before = context.next_open + OPENING_DELAY
        if not expires_at:
            late = not_before >= context.ends
            expires_at = (
                context.next_open + context.rules.opening_life
                if late
                else max(now, not_before) + context.rules.intraday_life
            )
        name = self._name_of(symbol)
        if price is None:
            at = context.index.get(name, -1)
            price = context.price_of(at) if at >= 0 else math.nan
        signal = SignalRaised(
            now,
            context.moment.seq,
            context.next_id(),
            context.name,
            name,
            signal_type,
            "long" if signal_type == "BUY" else "short",
            float(strength),
            float(confidence),
            float(price),
            None if stop is None else float(stop),
            None if target is None else float(target),
            int(expires_at),
            clipped(reason),
            self.params_hash,
            few(features) if features else _NO_FEATURES,
            group_id,
            weight,
            int(not_before),
            entry or _AT_MARKET,
            intraday=self.is_intraday,
            target_follows_fill=target_follows_fill,
            quantity=quantity,
            stop_follows_fill=stop_follows_fill,
            size_factor=float(size_factor),
        )
        if (
            signal_type in ("BUY", "SELL")
            and (quantity is None or type(quantity) is int)
            and (weight is None or type(weight) is float)
            and (entry is None and group_id is None)
            and type(target_follows_fill) is type(stop_follows_fill) is bool
        ):
            self._vouch_for(signal)
        return signal

    def close(
        self, what: Holding | int | str, reason: str, *, features: Mapping[str, float] | None = None
    ) -> SignalRaised:
        """Close one lot, or all of the strategy's lots in a symbol.

        During the session at once; after the close from the next open on.
        """
        context = self.context
        lots = [what] if isinstance(what, Holding) else context.held(self._name_of(what))
        symbol = lots[0].symbol if lots else self._name_of(what)  # type: ignore[arg-type]  # no Holding here
        direction: Direction = lots[0].direction if lots else "long"
        price = context.price_of(context.index.get(symbol, len(context.symbols)))
        now = context.moment.now
        later = now >= context.close and context.next_open > 0
        signal = SignalRaised(
            now,
            context.moment.seq,
            context.next_id(),
            context.name,
            symbol,
            "CLOSE",
            direction,
            1.0,
            1.0,
            price if math.isfinite(price) else (lots[0].entry_price if lots else 0.0),
            None,
            None,
            max(context.next_close, context.next_open + 1)
            if later
            else (context.close if now < context.close else now + 1),
            clipped(reason),
            self.params_hash,
            few(features) if features else _NO_FEATURES,
            not_before=context.next_open if later else 0,
            lot_id=what.lot_id if isinstance(what, Holding) else "",
            intraday=self.is_intraday,
        )
        if not signal.lot_id or signal.lot_id in context.holdings:
            self._vouch_for(signal)
        return signal

    def _vouch_for(self, signal: SignalRaised) -> None:
        """Spare the host the check of a signal whose every field was made here or is of the right type."""
        context = self.context
        if (
            type(signal.symbol) is str
            and signal.symbol in context.index
            and type(signal.reason) is str
            and not signal.features  # what could still be changed from outside
            and signal.params_hash is self._own_hash
            and type(signal.intraday) is bool
        ):
            context.made[signal.id] = signal

    # ---- parameters -------------------------------------------------------------------------

    @classmethod
    def parameters(cls, given: Mapping[str, Any]) -> Any:
        """Make the `Params` from a settings table.

        Raises:
            ParameterError: A key is unknown, a value is of the wrong type or out of its bounds.
        """
        fields = set(cls.Params.__struct_fields__)
        for name in given:
            if name not in fields:
                raise unknown(name, fields)
        try:
            params = msgspec.convert(dict(given), cls.Params)
        except (msgspec.ValidationError, TypeError) as error:
            raise ParameterError(str(error)) from error
        bounded = {spec.name: getattr(params, spec.name) for spec in cls.SPECS}
        validate(cls.SPECS, bounded)
        return params
