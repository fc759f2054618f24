"""What others hold and spend in the account takes room from our entries."""

from hypothesis import given
from hypothesis import strategies as st

from actors.allocation.outside import Outside
from runtime.messages.account import ExternalChanged
from runtime.messages.broker import BrokerAccount


def holds(symbol: str, quantity: int, last: float = 100.0, fraction: float = 0.0) -> ExternalChanged:
    return ExternalChanged(
        ts_event=0, cause=1, symbol=symbol, quantity=quantity, fraction=fraction, last=last
    )


def account(buying_power: float) -> BrokerAccount:
    return BrokerAccount(ts_event=0, account="PA", equity=1.0, cash=1.0, buying_power=buying_power)


def test_without_a_word_of_the_broker_nothing_lacks() -> None:
    outside = Outside()
    outside.changed(holds("TSLA", 1_000))
    assert outside.lack == 0.0


def test_what_the_books_call_free_and_the_account_does_not_have_is_lacking() -> None:
    outside = Outside()
    outside.account(account(60_000.0), 97_000.0)
    assert outside.lack == 37_000.0
    outside.account(account(400_000.0), 97_000.0)
    assert outside.lack == 0.0


def test_what_others_buy_after_the_figure_was_read_is_lacking_too() -> None:
    outside = Outside()
    outside.changed(holds("TSLA", 10))
    outside.account(account(97_000.0), 97_000.0)
    outside.changed(holds("TSLA", 30))
    outside.changed(holds("BTC/USD", 0, 60_000.0, 0.25))
    assert outside.lack == 17_000.0
    outside.changed(holds("TSLA", 0))
    assert outside.lack == 14_000.0


def test_shares_of_others_count_by_their_size_and_have_a_side() -> None:
    outside = Outside()
    outside.changed(holds("TSLA", -10, fraction=-0.5))
    assert (outside.value("TSLA", 200.0), outside.sign("TSLA")) == (2_100.0, -1)
    assert (outside.value("SPY", 200.0), outside.sign("SPY")) == (0.0, 0)


@given(st.lists(st.tuples(st.sampled_from(["A", "B"]), st.integers(-50, 50))), st.floats(0, 1e6))
def test_lacking_is_never_below_zero_nor_more_than_free_and_bought(changes, power):
    outside = Outside()
    outside.account(account(power), 97_000.0)
    for symbol, quantity in changes:
        outside.changed(holds(symbol, quantity))
    bought = sum(outside.value(symbol, 100.0) for symbol in "AB")
    assert 0.0 <= outside.lack <= max(0.0, 97_000.0 - power + bought) + 1e-6
