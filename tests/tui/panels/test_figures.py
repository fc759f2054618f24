import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.frames import NOW
from tui.panels import figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (97_926.19, "97,926.19"), (0.0, "0.00"), (-1_234.5, "-1,234.50"), (9_999_999.99, "9,999,999.99"),
        (123_456_789.0, "123.46M"), (3.2e9, "3,200.00M"), (-4e12, "-4,000.00B"),
        (1e300, "1.00e+300"), (math.nan, "-"), (math.inf, "-"),
    ],
)  # fmt: skip
def test_money_has_cents_until_it_is_too_long(value: float, text: str) -> None:
    assert figures.money(value) == text


def test_gains_have_glyph_sign_and_role_and_nothing_is_no_gain() -> None:
    assert figures.gain(426.19) == ("▲+426.19", "up")
    assert figures.gain(-158.73) == ("▼-158.73", "down")
    assert figures.gain(0.001) == ("·0.00", "quiet")
    assert figures.gain_percent(0.0044) == ("▲+0.44%", "up")
    assert figures.gain(math.nan) == ("-", "quiet")


@given(st.floats(-1e15, 1e15))
def test_a_gain_fits_its_column_whatever_it_is(value: float) -> None:
    assert len(figures.gain(value)[0]) <= 12


def test_prices_below_a_dollar_have_four_decimals() -> None:
    assert [figures.price(p) for p in (243.8, 0.1234, 0.0, None)] == ["243.80", "0.1234", "0.00", "-"]


def test_times_are_those_of_new_york() -> None:
    assert (figures.clock(NOW), figures.minute(NOW), figures.day(NOW)) == ("15:22:17", "15:22", "11-20")
    assert (figures.clock(0), figures.minute(0), figures.day(0)) == ("--:--:--", "--:--", "--")
    assert figures.stamp(NOW) == "20261120-202217"


def test_spans_are_told_in_one_unit() -> None:
    second = 1_000_000_000
    ages = [figures.age(int(s * second)) for s in (0.84, 12, 119, 200, 7_300, 400_000, -5)]
    assert ages == ["0.8s", "12s", "119s", "3m", "2h", "5d", "0.0s"]
    assert [figures.left(s * second) for s in (0, -1, 1_363, 11_110)] == ["0:00", "0:00", "22:43", "3:05:10"]
    assert [figures.latency(n) for n in (850_000, 1_900_000, 2_100_000_000)] == ["850us", "1.9ms", "2.1s"]
    assert [figures.count(n) for n in (512, 12_345, 4_100_000)] == ["512", "12.3k", "4.1M"]
    assert [figures.shares(80), figures.shares(-3), figures.shares(0, 0.25)] == ["+80", "-3", "+0.250"]
