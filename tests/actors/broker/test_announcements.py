"""What the data host announces, in our terms; what cannot be read is counted and hurts nothing."""

import pytest

from actors.broker.announcements import read
from runtime.errors import BrokerUnavailable
from runtime.messages.corporate import CorporateAction

DAY = "2026-11-23"


def page(**lists: object) -> dict[str, object]:
    return {"corporate_actions": lists, "next_page_token": None}


def test_every_kind_is_read_by_its_own_fields():
    found, bad = read(
        page(
            forward_splits=[{"symbol": "AAA", "new_rate": 10, "old_rate": 1, "ex_date": DAY}],
            reverse_splits=[{"symbol": "BBB", "new_rate": 1, "old_rate": 8, "ex_date": DAY}],
            unit_splits=[{"old_symbol": "CCC", "new_symbol": "CC", "effective_date": DAY}],
            stock_dividends=[{"symbol": "DDD", "rate": 0.05, "ex_date": DAY}],
            spin_offs=[{"source_symbol": "EEE", "new_symbol": "NEW", "ex_date": DAY}],
            cash_mergers=[{"acquiree_symbol": "FFF", "effective_date": DAY, "rate": 10.5}],
            name_changes=[{"old_symbol": "GGG", "new_symbol": "META", "process_date": DAY}],
            worthless_removals=[{"symbol": "HHH", "process_date": DAY}],
            cash_dividends=[{"symbol": "AAA", "rate": 0.2, "ex_date": DAY}],
            something_new=[{"symbol": "AAA"}],
        ),
        ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH"),
    )
    assert not bad
    assert [(one.kind, one.symbol, one.into) for one in found] == [
        ("split", "AAA", ""), ("split", "BBB", ""), ("unit_split", "CCC", "CC"),
        ("stock_dividend", "DDD", ""), ("spin_off", "EEE", "NEW"), ("merger", "FFF", ""),
        ("delisting", "HHH", ""), ("name_change", "GGG", "META"),
    ]  # fmt: skip
    assert found[0] == CorporateAction(kind="split", symbol="AAA", ex_date=DAY, numerator=10, denominator=1)
    assert (found[1].numerator, found[1].denominator) == (1, 8)


@pytest.mark.parametrize(
    "row",
    [None, 7, [], {}, {"symbol": "AAA"}, {"symbol": "AAA", "ex_date": DAY},
     {"symbol": "AAA", "ex_date": "tomorrow", "new_rate": 2, "old_rate": 1},
     {"symbol": "AAA", "ex_date": DAY, "new_rate": -2, "old_rate": 1},
     {"symbol": "AAA", "ex_date": DAY, "new_rate": 1e300, "old_rate": 1},
     {"symbol": "AAA", "ex_date": DAY, "new_rate": "nan", "old_rate": 1},
     {"symbol": "AAA", "ex_date": DAY, "new_rate": True, "old_rate": 1},
     {"symbol": "AAA", "ex_date": DAY, "new_rate": 1, "old_rate": 1},
     {"symbol": "\x1b]52;c;AAA\x07", "ex_date": DAY, "new_rate": 2, "old_rate": 1}],
)  # fmt: skip
def test_a_row_that_cannot_be_read_is_counted(row):
    assert read(page(forward_splits=[row]), ("AAA",)) == ([], 1)


def test_symbols_that_do_not_matter_are_left_out():
    rows = [{"symbol": "ZZZ", "ex_date": DAY, "new_rate": 2, "old_rate": 1}]
    assert read(page(forward_splits=rows), ("AAA",)) == ([], 0)


@pytest.mark.parametrize("told", [{}, {"corporate_actions": []}, {"corporate_actions": {"spin_offs": {}}}])
def test_what_is_no_list_is_no_answer(told):
    with pytest.raises(BrokerUnavailable):
        read(told, ("AAA",))
