import json

from hypothesis import given
from hypothesis import strategies as st

from runtime.messages.codec import MESSAGES
from storage.lot_rows import LOT_ROWS
from storage.pen import micros
from storage.performance_rows import PERFORMANCE_ROWS
from storage.projection import Projection
from storage.signal_rows import SIGNAL_ROWS, order_key
from storage.statements import STATEMENTS
from storage.trade_rows import TRADE_ROWS
from tests.storage.books_samples import DAY, LOT, SESSION, T0, bars, fill, trading_day


def test_every_writer_belongs_to_one_message_type() -> None:
    kinds = [*SIGNAL_ROWS, *TRADE_ROWS, *LOT_ROWS, *PERFORMANCE_ROWS]
    assert set(kinds) <= set(MESSAGES)
    assert len(kinds) == len(set(kinds))


def test_every_row_has_as_many_values_as_its_statement_has_places() -> None:
    projection = Projection(SESSION)
    for seq, at, message, caused in trading_day():
        for key, params in projection.rows(seq, at, message, caused):
            assert STATEMENTS[key].sql.count("?") == len(params), key


def test_an_input_without_consequences_has_no_rows() -> None:
    assert Projection(SESSION).rows(1, T0, bars(T0), []) == []


def test_the_same_messages_give_the_same_rows() -> None:
    first, second = Projection(SESSION), Projection(SESSION)
    for event in trading_day():
        assert first.rows(*event) == second.rows(*event)


def test_a_fill_that_is_not_ours_is_kept_without_a_signal() -> None:
    rows = Projection(SESSION).rows(1, T0, fill("typed-by-hand", T0, 9), [])
    (execution,) = [params for key, params in rows if key == "execution"]
    assert execution[1] is None
    assert "signal_executed_by_order" not in [key for key, _ in rows]


def test_a_fill_of_a_brackets_leg_belongs_to_the_lot_of_its_parent() -> None:
    rows = Projection(SESSION).rows(1, T0, fill("leg-uuid", T0, 9, parent_id=f"{LOT}:e1"), [])
    (execution,) = [params for key, params in rows if key == "execution"]
    assert execution[1] == LOT


def test_a_purchase_takes_its_price_and_its_costs_from_the_cash_to_the_micro_dollar() -> None:
    rows = Projection(SESSION).rows(1, T0, fill(f"{LOT}:e1", T0, 1, price=33.333333, quantity=3), [])
    (execution,) = [params for key, params in rows if key == "execution"]
    assert execution[10] == -(99_999_999 + 250_000)
    assert execution[-2:] == (DAY, 1)


def test_the_chain_begins_with_the_symbols_own_bar() -> None:
    event = trading_day()[1]
    rows = Projection(SESSION, ["AAA", "SPY"]).rows(*event)
    first = next(json.loads(params[-1]) for key, params in rows if key == "cause")
    assert first == {
        "input": "Bars",
        "input_ts": T0,
        "open": 99.5,
        "high": 100.5,
        "low": 99.0,
        "close": 100.0,
        "volume": 5000.0,
    }
    unknown = Projection(SESSION, ["AAA"]).rows(*event)
    assert next(json.loads(params[-1]) for key, params in unknown if key == "cause") == {
        "input": "Bars",
        "input_ts": T0,
    }


def test_no_number_is_no_amount() -> None:
    assert micros(float("nan")) is None
    assert micros(float("inf")) is None


@given(st.sampled_from("exst"), st.integers(1, 99))
def test_attempts_of_one_order_share_a_key(role: str, attempt: int) -> None:
    assert order_key(f"{LOT}:{role}{attempt}") == f"{LOT}:{role}"
