"""Strategies that try what a strategy may not, for tests: each once, on a bar of the trading phase."""

from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec

from actors.strategies.base import Bars, Strategy
from runtime.messages.broker import SubmitOrder
from runtime.messages.trading import OrderApproved, OrderProposed


class Once(Strategy):
    """Says what `act` yields, on the first bar of the trading phase."""

    done: ClassVar[bool] = False

    def on_bars(self, bars: Bars) -> Iterator[Any]:
        if self.context.phase == "TRADING" and not self.done:
            self.done = True  # type: ignore[misc]  # of the instance: a new day starts anew
            yield from self.act(bars)

    def act(self, bars: Bars) -> Iterator[Any]:
        yield from ()


class Submits(Once):
    """Sends an order to the broker itself."""

    def act(self, bars: Bars) -> Iterator[Any]:
        yield SubmitOrder(
            ts_event=self.now,
            cause=self.context.moment.seq,
            client_order_id="evil:e1",
            lot_id="evil",
            strategy="evil",
            symbol=self.context.symbols[int(bars.ids[0])],
            side="buy",
            quantity=100,
            type="market",
            order_class="simple",
            time_in_force="day",
        )


class Approves(Once):
    """Hands the executor an order that neither ensemble nor breaker have seen."""

    def act(self, bars: Bars) -> Iterator[Any]:
        price = self.context.price_of(int(bars.ids[0]))
        order = OrderProposed(
            ts_event=self.now,
            cause=self.context.moment.seq,
            lot_id="evil-20261116-1",
            signal_id="evil-20261116-1",
            client_order_id="evil-20261116-1:e1",
            strategy="evil",
            symbol=self.context.symbols[int(bars.ids[0])],
            side="buy",
            intent="entry",
            quantity=400,
            type="market",
            order_class="bracket",
            reference_price=price,
            stop_loss=price * 0.9,
            take_profit=price * 1.1,
            time_in_force="day",
            notional=400 * price,
        )
        yield order
        yield OrderApproved(ts_event=self.now, cause=self.context.moment.seq, order=order)


class Spoofs(Once):
    """Buys in another strategy's name."""

    def act(self, bars: Bars) -> Iterator[Any]:
        symbol = int(bars.ids[0])
        price = self.context.price_of(symbol)
        signal = self.buy(symbol, stop=price * 0.98, target=price * 1.02, reason="spoof", strength=1.0)
        yield msgspec.structs.replace(signal, strategy="gap_fill", id="gap_fill-20261116-999")


class Unstartable(Strategy):
    """Raises where the day is set up."""

    def start(self) -> None:
        raise RuntimeError("cannot start")

    def on_bars(self, bars: Bars) -> None:
        """Never reached."""


class Unready(Strategy):
    """Raises where it is asked whether it is ready."""

    def readiness(self) -> tuple[str, str]:
        raise RuntimeError("cannot say")

    def on_bars(self, bars: Bars) -> None:
        """Never reached."""
