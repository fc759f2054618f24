"""The table `external`: one row a symbol, as the account was last seen beside our lots."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from runtime.messages.account import ExternalChanged
from runtime.messages.broker import BrokerOrder
from storage.account_rows import ACCOUNT_ROWS
from storage.books import Books
from storage.pen import Pen
from storage.statements import STATEMENTS, Mark

SESSION, NOW = "2026-11-20", 1_795_170_000_000_000_000
COLUMNS = (
    "symbol, asset_class, quantity, entry_price, last_price, open_orders, orders, updated_at, session, seq"
)


def order(name: str = "theirs", **fields: object) -> BrokerOrder:
    plain = {
        "client_order_id": name, "broker_order_id": "b", "symbol": "SPY", "side": "sell", "quantity": 5,
        "filled": 2, "status": "new", "type": "limit", "limit_price": 700.5, "is_ours": False,
    }  # fmt: skip
    return BrokerOrder(**(plain | fields))  # type: ignore[arg-type]


def rows(*changes: ExternalChanged) -> list[tuple[object, ...]]:
    """What the books have after these changes, one an input."""
    pen = Pen(SESSION)
    with Books(None, "paper:PA1", "memory") as books:
        for seq, change in enumerate(changes, start=1):
            out = pen.begin(seq, NOW, change, ())
            ACCOUNT_ROWS[ExternalChanged](pen, change)
            assert all(STATEMENTS[key].sql.count("?") == len(params) for key, params in out)
            books.apply(out, Mark(pen.session, seq), NOW)
        books.commit()
        found = books.connection("trades").execute(f"SELECT {COLUMNS} FROM external ORDER BY symbol")
        return [tuple(row) for row in found.fetchall()]


def changed(symbol: str = "SPY", quantity: int = 0, **fields: object) -> ExternalChanged:
    return ExternalChanged(ts_event=NOW, cause=1, symbol=symbol, quantity=quantity, **fields)  # type: ignore[arg-type]


def test_a_position_with_a_part_of_a_share_and_a_resting_order_is_one_row() -> None:
    (row,) = rows(changed(quantity=3, fraction=0.25, price=698.0, last=701.0, orders=(order(),)))
    assert row[:6] == ("SPY", "us_equity", 3.25, 698.0, 701.0, 1)
    assert json.loads(str(row[6])) == [
        {"id": "theirs", "side": "sell", "quantity": 5, "filled": 2, "type": "limit", "status": "new",
         "limit_price": 700.5, "stop_price": None}
    ]  # fmt: skip
    assert row[7:] == (NOW, 20261120, 1)


def test_a_short_positions_part_counts_downwards_too() -> None:
    (row,) = rows(changed(quantity=-3, fraction=-0.5))
    assert row[2] == -3.5


def test_prices_that_nobody_told_are_null_and_not_zero() -> None:
    (row,) = rows(changed(quantity=1))
    assert row[3:5] == (None, None)


def test_what_is_gone_stays_as_a_row_without_shares_and_orders() -> None:
    (row,) = rows(changed(quantity=3, price=1.0, orders=(order(),)), changed())
    assert row[2:7] == (0.0, None, None, 0, "[]")
    assert row[-1] == 2


def test_other_kinds_of_asset_are_named() -> None:
    (row,) = rows(changed("BTC/USD", 0, fraction=0.01, asset_class="crypto"))
    assert row[:3] == ("BTC/USD", "crypto", 0.01)


symbols = st.sampled_from(["SPY", "QQQ", "O'BRIEN; DROP TABLE external", "\u2028"])
orders = st.lists(
    st.builds(
        order,
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        quantity=st.integers(1, 10**9),
        stop_price=st.none() | st.floats(0.0001, 1e6),
    ),
    max_size=3,
)


@given(
    st.lists(st.builds(changed, symbols, st.integers(-(10**9), 10**9), orders=orders.map(tuple)), max_size=6)
)
def test_the_latest_word_on_a_symbol_is_its_row_whatever_came_before(changes: list[ExternalChanged]) -> None:
    found = {str(row[0]): row for row in rows(*changes)}
    latest = {one.symbol: (seq, one) for seq, one in enumerate(changes, start=1)}
    assert found.keys() == latest.keys()
    for symbol, (seq, one) in latest.items():
        row = found[symbol]
        assert math.isclose(float(str(row[2])), one.quantity)
        assert (row[5], row[-1]) == (len(one.orders), seq)
        told = json.loads(str(row[6]))
        assert [each["id"] for each in told] == [each.client_order_id for each in one.orders]
        assert [each["stop_price"] for each in told] == [each.stop_price for each in one.orders]
