"""Tables of the report's page: escaped to the last word, sorted by what the numbers are."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.text import printable
from tui.commands import report_tables
from tui.commands.report_tables import (
    BREAKERS,
    COSTS,
    EXITS,
    SIGNALS,
    TRADES,
    Column,
    Html,
    signed,
    strategy_columns,
    table,
    words,
)


class Cells(HTMLParser):
    """The body's rows: what is shown and what it sorts by; and every tag there is."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.shown: list[list[str]] = []
        self.keys: list[list[str | None]] = []
        self._is_in = False
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.shown.append([])
            self.keys.append([])
        if tag in ("td", "th"):
            self.shown[-1].append("")
            self.keys[-1].append(dict(attrs).get("data-key"))
            self._is_in = True

    def handle_endtag(self, tag: str) -> None:
        self._is_in = self._is_in and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._is_in:
            self.shown[-1][-1] += data


ANYTHING = st.text(max_size=30) | st.sampled_from(
    ["<script>alert(1)</script>", "' onmouseover=x '", '"><img src=x>', "&lt;", "\x1b[2J", "\u202eabc"]
)
PLAIN = (
    Column("name", lambda row: row["name"], lambda row: row["name"]),
    Column("n", lambda row: row["n"], lambda row: row["n"], True),
)


@given(ANYTHING)
def test_foreign_words_are_text_without_markup_and_without_what_moves_a_cursor(value: str) -> None:
    found = words(value)
    assert not set(found) & set("<>\"'")
    assert printable(unescape(found)) == unescape(found)
    assert "\n" not in found


@given(title=ANYTHING, note=ANYTHING, name=ANYTHING, number=st.integers())
def test_whatever_a_table_is_told_its_markup_is_its_own(
    title: str, note: str, name: str, number: int
) -> None:
    whole = Cells(table(title, PLAIN, [{"name": name, "n": number}], note=note))
    plain = Cells(table("t", PLAIN, [{"name": "x", "n": 1}], note="note" if words(note) else ""))
    assert whole.tags == plain.tags
    assert whole.keys[1][1] == str(number)


def test_no_rows_are_no_table() -> None:
    assert table("Trades", TRADES, []) == ""


def test_markup_of_ours_is_not_escaped_again() -> None:
    assert words(Html("<b>1</b>")) == "<b>1</b>"
    assert words("<b>1</b>") == "&lt;b&gt;1&lt;/b&gt;"


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        (1.0, "up", "\u25b2+1.00"),
        (-0.5, "down", "\u25bc-0.50"),
        (1234567.891, "up", "\u25b2+1,234,567.89"),
        (-0.001, "down", "\u25bc-0.00"),
    ],
)
def test_money_has_a_sign_a_glyph_and_a_class(value: float, kind: str, shown: str) -> None:
    assert signed(value) == f'<span class="{kind}">{shown}</span>'


def test_no_money_is_plain_and_none_is_a_dash() -> None:
    assert (signed(0.0), signed(-0.0), signed(None)) == ("0.00", "0.00", "-")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_sort_by_what_they_are_and_not_by_how_they_look(values: list[float]) -> None:
    """The key of a cell is the number to its last bit."""
    rows = [{"exit_reason": "stop", "trades": 1, "pnl": value} for value in values]
    keys = [float(str(row[2])) for row in Cells(table("Exits", EXITS, rows)).keys[1:]]
    assert keys == values


def test_what_has_no_key_has_no_attribute_to_sort_by() -> None:
    found = Cells(table("Exits", EXITS, [{"exit_reason": "", "trades": 1, "pnl": None}]))
    assert found.shown[1] == ["-", "1", "-"]
    assert found.keys[1] == [None, "1", None]


def day(strategy: str, net: float, **fields: object) -> dict[str, object]:
    return {"strategy": strategy, "net_pnl": net, "win_rate_30d": 0.5, **fields}


def test_a_strategys_row_has_the_latest_of_its_own_days() -> None:
    days = [day("a", 10.0, avg_win=1.0), day("b", -5.0, avg_win=7.0), day("a", -2.0, avg_win=2.0)]
    columns = {column.title: column for column in strategy_columns(days)}
    assert [columns["average win"].show({"strategy": name}) for name in "abc"] == [2.0, 7.0, None]
    assert columns["30 days"].show({"strategy": "a"}) == "50.00%"
    assert columns["30 days"].show({"strategy": "c"}) == "-"


def test_the_curve_of_a_strategy_adds_its_days_up_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[float]] = []
    monkeypatch.setattr(report_tables, "sparkline", lambda values: drawn.append(list(values)) or "")
    curve = strategy_columns([day("a", 10.0), day("b", 3.0), day("a", -2.5)])[1]
    curve.show({"strategy": "a"})
    curve.show({"strategy": "nobody"})
    assert drawn == [[0.0, 10.0, 7.5], []]


@pytest.mark.parametrize(("turnover", "share"), [(10_000.0, 5.0), (0.0, None), (None, None)])
def test_costs_are_told_in_basis_points_of_what_was_turned_over(
    turnover: float | None, share: float | None
) -> None:
    row = {"strategy": "a", "commission": 2.0, "slippage": 3.0, "realised_pnl": 1.0, "turnover": turnover}
    shown = {column.title: column.show(row) for column in COSTS}
    assert shown["together"] == 5.0
    assert shown["bp of turnover"] == (pytest.approx(share) if share is not None else None)


@pytest.mark.parametrize(
    ("status", "reason", "why"), [("OPEN", "", "open"), ("CLOSED", "stop", "stop"), ("CLOSED", None, "-")]
)
def test_a_trade_that_is_open_says_so_where_others_say_why_they_ended(
    status: str, reason: str | None, why: str
) -> None:
    (column,) = (one for one in TRADES if one.title == "why")
    assert column.show({"exit_reason": reason, "status": status}) == why


def test_a_breaker_that_acts_has_no_end_and_one_without_a_target_is_for_all() -> None:
    columns = {column.title: column for column in BREAKERS}
    acting = {"target": "", "is_active": 1, "cleared_at": None}
    over = {"target": "gap_fill", "is_active": 0, "cleared_at": 1_795_185_000_000_000_000}
    assert (columns["on"].show(acting), columns["to"].show(acting)) == ("all", "acting")
    assert columns["on"].show(over) == "gap_fill"
    assert str(columns["to"].show(over)).startswith("2026-11-20")


def test_columns_of_numbers_say_so_and_long_words_may_wrap() -> None:
    rows = [{"strategy": "a", "status": "executed", "reason": None, "signals": 3}]
    markup = table("Signals", SIGNALS, rows)
    assert re.findall(r'<td class="number"[^>]*>3</td>', markup)
    assert '<th scope="col" class="long">' in table(
        "Breakers", BREAKERS[-2:], [{"reason": "why", "cleared_reason": ""}]
    )
