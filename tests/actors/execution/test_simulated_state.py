"""What the simulated broker carries is read back as it was."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.simulated_account import Holding
from actors.execution.simulated_state import BrokerCarried, new_account


@given(
    st.integers(-(10**15), 10**15), st.dictionaries(st.sampled_from("ABC"), st.integers(-9, 9)),
    st.integers(0, 10**6), st.booleans(),
)  # fmt: skip
def test_an_account_is_read_back_to_the_micro_dollar(
    cash: int, held: dict[str, int], numbers: int, is_extreme: bool
) -> None:
    holdings = {symbol: Holding(quantity=shares) for symbol, shares in held.items()}
    kept = BrokerCarried(cash=cash, holdings=holdings, orders=[], numbers=numbers, is_extreme=is_extreme)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=BrokerCarried) == kept


def test_a_new_account_holds_its_cash_and_nothing_else() -> None:
    assert new_account(97_000.01) == BrokerCarried(
        cash=97_000_010_000, holdings={}, orders=[], numbers=0, is_extreme=False
    )
