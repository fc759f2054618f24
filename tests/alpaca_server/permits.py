"""Whether the account, the asset and what is already ordered allow a new order."""

from collections.abc import Sequence
from decimal import Decimal

from tests.alpaca_server.account import Account
from tests.alpaca_server.assets import Assets
from tests.alpaca_server.options import Options
from tests.alpaca_server.orders import Order, text
from tests.alpaca_server.refusals import forbidden, parameters, unprocessable

LEAST_EQUITY_FOR_SHORTS = 2_000


def check(order: Order, account: Account, assets: Assets, live: Sequence[Order], options: Options) -> None:
    """Judge an order that is right in form.

    Raises:
        Refused: The first rule it breaks.
    """
    if account.trading_blocked or account.account_blocked or account.status != "ACTIVE":
        raise forbidden("account is not authorized to trade")
    if account.configurations["suspend_trade"]:
        raise forbidden("new orders are rejected by user request")
    asset = assets[order.symbol]
    if not asset.tradable or asset.status != "active":
        raise unprocessable(f'asset "{order.symbol}" is not tradable')
    if order.qty != order.qty.to_integral_value() and not asset.fractionable:
        raise forbidden(f'asset "{order.symbol}" is not fractionable')
    others = [one for one in live if one.symbol == order.symbol]
    held = account.held(order.symbol)
    if held * order.sign < 0:
        _check_shares(order, order.qty, account, others)
    else:
        _check_opening(order, account, assets, others, options)
    _check_wash(order, others, options)
    if held * order.sign >= 0:
        power = account.buying_power(live)
        cost = order.remaining * account.price_to_reserve(order)
        if cost > power:
            raise forbidden("insufficient buying power", buying_power=text(power), cost_basis=text(cost))


def check_intent(order: Order, said: object, options: Options) -> None:
    """Judge what an order says that it does to the position; raises Refused."""
    if said is None or options.intents == "ignored":
        return
    if options.intents == "refused":
        raise parameters("invalid position_intent specified")
    if said != order.position_intent:
        raise unprocessable(f"position intent mismatch, inferred: {order.position_intent}, specified: {said}")


def check_replacement(old: Order, new: Order, account: Account, live: Sequence[Order]) -> None:
    """Judge what a replacement takes beyond its predecessor; raises Refused."""
    more = new.remaining - old.remaining
    if account.held(new.symbol) * new.sign < 0 and more > 0:
        _check_shares(new, more, account, live)
    power = account.buying_power(live)
    cost = account.reserved(new) - account.reserved(old)
    if cost > power and cost > 0:
        raise forbidden("insufficient buying power", buying_power=text(power), cost_basis=text(cost))


def _check_shares(order: Order, wanted: Decimal, account: Account, live: Sequence[Order]) -> None:
    held, available = account.held(order.symbol), account.available(order.symbol, live)
    if wanted > available:
        figures = f"(requested: {text(wanted)}, available: {text(available)})"
        raise forbidden(
            f"insufficient qty available for order {figures}",
            symbol=order.symbol,
            existing_qty=text(abs(held)),
            held_for_orders=text(abs(held) - available),
            available=text(available),
        )


def _check_opening(
    order: Order, account: Account, assets: Assets, others: Sequence[Order], options: Options
) -> None:
    if order.order_class == "oco":
        raise unprocessable("oco orders must be exit orders")
    if order.sign < 0:
        if not options.shorting_enabled or account.configurations["no_shorting"]:
            raise forbidden("account is not allowed to short")
        if account.equity < LEAST_EQUITY_FOR_SHORTS:
            raise forbidden("account is not allowed to short")
        if order.qty != order.qty.to_integral_value():
            raise unprocessable("fractional orders cannot be sold short")
        asset = assets[order.symbol]
        if not asset.shortable or asset.borrow_status != "easy_to_borrow":
            raise forbidden(f'asset "{order.symbol}" cannot be sold short')
    opposite = [one for one in others if one.sign != order.sign and one.parent is None]
    if opposite and not account.held(order.symbol):
        side = "short sell" if order.sign < 0 else "long buy"
        other = "long buy" if order.sign < 0 else "short sell"
        raise forbidden(f"cannot open a {side} while a {other} order is open")


def _check_wash(order: Order, others: Sequence[Order], options: Options) -> None:
    if order.order_class not in ("", "simple"):
        return
    for other in others:
        if other.sign == order.sign:
            continue
        if (other.parent or other).order_class not in ("", "simple") and options.wash_exempts_existing:
            continue
        limits = (order.limit_price, other.limit_price)
        washes = limits[0] is None or limits[1] is None or (limits[0] - limits[1]) * order.sign >= 0
        if washes:
            raise forbidden(
                "potential wash trade detected. use complex orders",
                reject_reason="opposite side market/stop order exists"
                if limits[1] is None
                else "opposite side limit order exists",
                existing_order_id=other.id,
            )
