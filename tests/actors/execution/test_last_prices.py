"""The last price of a symbol, from whichever frame had it last."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actors.execution.last_prices import LastPrices
from runtime.messages.market import Bars

SYMBOLS = 4
YESTERDAY = [9.0, 8.0, 7.0, float("nan")]


@given(
    st.lists(st.sets(st.integers(0, SYMBOLS - 1), min_size=1), max_size=8),
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, SYMBOLS - 1)), max_size=12),
)
def test_a_symbols_last_price_is_its_newest_close_else_yesterdays(
    frames: list[set[int]], questions: list[tuple[int, int]]
) -> None:
    prices = LastPrices(np.array(YESTERDAY))
    wanted: list[float | None] = [9.0, 8.0, 7.0, None]
    for minute, present in enumerate([set(), *frames]):
        ids = sorted(present)
        closes = [100.0 * minute + place for place in ids]
        if ids:
            prices.see(Bars.of(ids, [closes, closes, closes, closes, [1.0] * len(ids)], ts_event=minute))
        for place, close in zip(ids, closes, strict=True):
            wanted[place] = close
        for place in [asked for when, asked in questions if when == minute]:
            assert prices.price(place) == wanted[place]
