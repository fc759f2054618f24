"""Cash, positions and buying power of the emulated account, and how REST writes them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.alpaca_server.options import Options
from tests.alpaca_server.orders import NOTHING, Order, text

CENT = Decimal("0.01")


@dataclass(kw_only=True)
class Position:
    """Net holding of one symbol: signed shares, average entry in USD."""

    symbol: str
    qty: Decimal
    average: Decimal


class Account:
    """What the account owns and owes.

    Args:
        price: Last price of a symbol, USD.
    """

    def __init__(self, options: Options, price: Callable[[str], Decimal | None]) -> None:
        self._options = options
        self._price = price
        self.cash = options.cash
        self.last_equity = options.cash
        self.positions: dict[str, Position] = {}
        self.status = "ACTIVE"
        self.trading_blocked = False
        self.account_blocked = False
        self.configurations: dict[str, Any] = {
            "disable_overnight_trading": False,
            "dtbp_check": "entry",
            "fractional_trading": True,
            "max_margin_multiplier": str(options.multiplier),
            "max_options_trading_level": 3,
            "no_shorting": False,
            "pdt_check": "entry",
            "ptp_no_exception_entry": False,
            "suspend_trade": False,
            "trade_confirm_email": "all",
        }
        if not options.legacy_account_fields:
            del self.configurations["dtbp_check"], self.configurations["pdt_check"]

    def held(self, symbol: str) -> Decimal:
        """Signed shares held."""
        position = self.positions.get(symbol)
        return position.qty if position else NOTHING

    def trade(self, symbol: str, quantity: Decimal, price: Decimal) -> Decimal:
        """Book signed shares at a price and return the new position."""
        self.cash -= quantity * price
        before = self.positions.pop(symbol, None)
        if before is None:
            before = Position(symbol=symbol, qty=NOTHING, average=price)
        after = before.qty + quantity
        average = before.average
        if before.qty * quantity >= 0:
            average = (before.average * before.qty + price * quantity) / after if after else price
        elif after * quantity > 0:
            average = price
        if after:
            self.positions[symbol] = Position(symbol=symbol, qty=after, average=average)
        return after

    def hold(self, symbol: str, quantity: Decimal, average: Decimal) -> None:
        """Put a position there without a trade, as if it had been there before."""
        self.positions.pop(symbol, None)
        if quantity:
            self.positions[symbol] = Position(symbol=symbol, qty=quantity, average=average)

    def split(self, symbol: str, ratio: Decimal) -> None:
        """Split a position: `ratio` new shares for an old one."""
        position = self.positions.get(symbol)
        if position is not None:
            position.qty *= ratio
            position.average /= ratio

    def price(self, position: Position) -> Decimal:
        """Price a position is marked at, USD."""
        found = self._price(position.symbol)
        return position.average if found is None else found

    @property
    def equity(self) -> Decimal:
        """Cash and what the positions are worth, USD."""
        return self.cash + sum((p.qty * self.price(p) for p in self.positions.values()), NOTHING)

    def buying_power(self, live: Iterable[Order]) -> Decimal:
        """What may still be bought, USD: positions and open orders count against it."""
        tied = sum((abs(p.qty) * self.price(p) for p in self.positions.values()), NOTHING)
        tied += sum((self.reserved(order) for order in live), NOTHING)
        return self._options.multiplier * self.equity - tied

    def reserved(self, order: Order) -> Decimal:
        """What an order that opens ties up, USD; nothing for one that closes."""
        if order.parent is not None or self.held(order.symbol) * order.sign < 0:
            return NOTHING
        return order.remaining * self.price_to_reserve(order)

    def price_to_reserve(self, order: Order) -> Decimal:
        """USD a share: the limit, or the price with the broker's cushion."""
        last = self._price(order.symbol)
        if order.sign < 0:
            asked = order.limit_price or order.stop_price or NOTHING
            return max(asked, (last or NOTHING) * Decimal("1.03"))
        limit = order.effective_limit
        if limit is not None:
            return limit
        return (last or NOTHING) * Decimal("1.025")

    def available(self, symbol: str, live: Iterable[Order]) -> Decimal:
        """Shares of a position that no live exit has promised; a stop and its target promise them once."""
        held = self.held(symbol)
        promised: dict[str, Decimal] = {}
        for order in live:
            if order.symbol != symbol or order.sign * held >= 0 or waits_for_parent(order):
                continue
            head = (order.parent or order).id
            promised[head] = max(promised.get(head, NOTHING), order.remaining)
        return max(abs(held) - sum(promised.values(), NOTHING), NOTHING)

    def json(self, live: list[Order]) -> dict[str, Any]:
        """The account as GET /v2/account writes it."""
        values = [p.qty * self.price(p) for p in self.positions.values()]
        longs = sum((v for v in values if v > 0), NOTHING)
        shorts = sum((v for v in values if v < 0), NOTHING)
        power, options = self.buying_power(live), self._options
        written: dict[str, Any] = {
            "id": "acc00000-0000-4000-8000-000000000001",
            "admin_configurations": {},
            "user_configurations": None,
            "account_number": options.account_number,
            "status": self.status,
            "crypto_status": "ACTIVE",
            "options_approved_level": 3,
            "options_trading_level": 3,
            "currency": "USD",
            "buying_power": money(power),
            "regt_buying_power": money(min(power, 2 * self.equity)),
            "effective_buying_power": money(power),
            "non_marginable_buying_power": money(self.cash),
            "options_buying_power": money(self.cash),
            "cash": money(self.cash),
            "accrued_fees": "0",
            "portfolio_value": money(self.equity),
            "trading_blocked": self.trading_blocked,
            "transfers_blocked": False,
            "account_blocked": self.account_blocked,
            "created_at": "2026-07-22T00:40:26.776619Z",
            "trade_suspended_by_user": bool(self.configurations["suspend_trade"]),
            "multiplier": str(options.multiplier),
            "shorting_enabled": options.shorting_enabled,
            "equity": money(self.equity),
            "last_equity": money(self.last_equity),
            "long_market_value": money(longs),
            "short_market_value": money(shorts),
            "position_market_value": money(longs - shorts),
            "initial_margin": money((longs - shorts) / 2),
            "maintenance_margin": money((longs - shorts) * Decimal("0.3")),
            "last_maintenance_margin": "0",
            "sma": money(self.cash),
            "balance_asof": "2026-07-23",
            "crypto_tier": 1,
            "intraday_adjustments": "0",
            "pending_reg_taf_fees": "0",
        }
        if options.legacy_account_fields:
            written |= {
                "pattern_day_trader": False,
                "daytrade_count": 0,
                "daytrading_buying_power": money(power),
            }
        return written

    def position_json(self, position: Position, asset: Any, live: list[Order]) -> dict[str, Any]:
        """A position as GET /v2/positions writes it."""
        price = self.price(position)
        cost, value = position.qty * position.average, position.qty * price
        gain = value - cost
        share = gain / abs(cost) if cost else NOTHING
        return {
            "asset_id": asset.id,
            "symbol": position.symbol,
            "exchange": asset.exchange,
            "asset_class": "us_equity",
            "asset_marginable": asset.marginable,
            "qty": text(position.qty),
            "qty_available": text(self.available(position.symbol, live).copy_sign(position.qty)),
            "avg_entry_price": text(position.average),
            "side": "long" if position.qty > 0 else "short",
            "market_value": text(value),
            "cost_basis": text(cost),
            "unrealized_pl": text(gain),
            "unrealized_plpc": text(share),
            "unrealized_intraday_pl": text(gain),
            "unrealized_intraday_plpc": text(share),
            "current_price": text(price),
            "lastday_price": text(price),
            "change_today": "0",
        }


def waits_for_parent(order: Order) -> bool:
    """Whether an order is an exit whose entry has not wholly filled."""
    return order.parent is not None and order.parent.order_class != "oco" and order.parent.status != "filled"


def money(amount: Decimal) -> str:
    """USD in whole cents, as text without needless zeros."""
    return text(amount.quantize(CENT)) or "0"
