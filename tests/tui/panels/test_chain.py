"""The chain of causes on the screen."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.panels.chain import laid_out

MINUTE = 60_000_000_000
OPEN = 1_794_839_700_000_000_000  # 2026-11-16 09:35 in New York


def _link(kind: str, id: str, after: int = 0, **numbers: Any) -> dict[str, Any]:
    return {"kind": kind, "id": id, "ts": OPEN + after * MINUTE, "numbers": numbers}


LOT = {
    "lot_id": "gap_fill-20261116-2",
    "links": [
        _link("bar", "20261116:9", input="Bars", input_ts=OPEN - MINUTE, open=1.0, high=2.0, low=0.5,
              close=1.5),
        _link("signal", "gap_fill-20261116-2", type="BUY", symbol="QQQ", direction="long", price=180.9,
              strength=0.6, confidence=0.5, reason="gap", stop_loss=179.5, features={"gap": -0.0034}),
        _link("sizing", "gap_fill-20261116-2:e1", side="buy", quantity=13, type="market", notional=2425.0,
              binding="PCT", sizing={"RISK": 245_863.0, "PCT": 4_850.0}, contributions={}),
        _link("approved", "gap_fill-20261116-2:e1"),
        _link("fill", "sim-6#1", side="buy", quantity=13, price=180.92, cumulative=13, slippage=0.26),
        _link("lot", "gap_fill-20261116-2", 24, state="closed", realised=4.87, exit_reason="target"),
    ],
    "signals": [{"id": "gap_fill-20261116-2", "signal_type": "BUY", "status": "executed", "reason": "",
                 "detail": ""}],
    "trade": {"symbol": "QQQ", "side": "long", "quantity": 13, "entry_price": 180.92, "exit_price": 181.3,
              "exit_reason": "target", "pnl": 4.87, "pnl_percent": 0.0021},
}  # fmt: skip


def _text(found: dict[str, Any], width: int = 120) -> list[str]:
    return ["".join(text for text, _ in line) for line in laid_out(found, width)]


def test_where_there_is_no_room_the_head_of_a_trade_goes_on_in_the_next_line_and_no_number_is_cut() -> None:
    assert _text({"lots": [LOT]}, 68)[:3] == [
        "gap_fill-20261116-2  QQQ long 13 from 180.92 to 181.30 (target)",
        "▲+4.87  ▲+0.21%",
        "",
    ]


def test_on_the_narrowest_screen_what_a_link_says_stands_below_it_and_no_number_is_cut() -> None:
    shown = _text({"lots": [LOT]}, 34)
    assert all(cell_len(line) <= 34 for line in shown)
    assert "  ● 09:35:00  input        " in shown
    assert "  │ minute 09:34" in shown
    assert "  │ O 1.00  H 2.00  L 0.5000  C" in " ".join(shown)


def test_every_link_stands_in_its_order_with_the_numbers_that_decided() -> None:
    shown = _text({"lots": [LOT]})
    assert shown[0] == "gap_fill-20261116-2  QQQ long 13 from 180.92 to 181.30 (target)  ▲+4.87  ▲+0.21%"
    kinds = [line[14:27].strip() for line in shown if "●" in line]
    assert kinds == ["input", "signal", "sized", "approved", "fill", "lot"]
    whole = "\n".join(shown)
    for words in (
        "minute 09:34  O 1.00  H 2.00  L 0.5000  C 1.50",
        "BUY QQQ long  at 180.90  strength 0.6",
        "gap -0.0034",
        "capped by PCT",
        "RISK 245,863  >PCT 4,850",
        "buy 13  at 180.92  13 in all  slippage 0.26",
        "09:59:00  lot          closed  ▲+4.87  target",
        "BUY gap_fill-20261116-2 is executed",
    ):
        assert words in whole, words


def test_a_signal_that_never_traded_says_why() -> None:
    lot = {
        "lot_id": "a-1",
        "links": [_link("denied", "a-1:e1", rule="daily_loss", reason="2.17% below the previous close")],
        "signals": [],
        "trade": None,
    }
    shown = _text({"lots": [lot]}, 60)
    assert shown[0] == "a-1  never became a position"
    assert any("DENIED       daily_loss" in line for line in shown)
    assert any("2.17% below" in line for line in shown)


hostile = st.text(alphabet="ab\x1b[]\x07\x00\u202e\n\t/@=é漢", max_size=300)
values = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | hostile
    | st.dictionaries(hostile, hostile, max_size=3)
)


KINDS = [
    "bar",
    "signal",
    "dropped",
    "sizing",
    "approved",
    "denied",
    "order",
    "replace",
    "fill",
    "lot",
    "ended",
    "cancel",
]
NAMES = [
    "close",
    "open",
    "price",
    "quantity",
    "reason",
    "features",
    "sizing",
    "binding",
    "side",
    "state",
    "realised",
    "input_ts",
    "rule",
    "class",
    "stop_loss",
]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@given(
    kind=st.sampled_from(KINDS) | hostile,
    numbers=st.dictionaries(st.sampled_from(NAMES) | hostile, values, max_size=8),
    name=hostile,
)
def test_whatever_the_books_hold_is_shown_inert(
    width: int, kind: str, numbers: dict[str, Any], name: str
) -> None:
    lot = {
        "lot_id": name,
        "links": [{"kind": kind, "id": name, "ts": {"ns": OPEN}, "numbers": numbers}],
        "signals": [{"id": name, "signal_type": name, "status": name, "reason": name, "detail": name}],
        "trade": {"symbol": name, "side": name, "quantity": name, "exit_reason": name, "exit_price": 1.0},
    }
    for line in laid_out({"lots": [lot]}, width):
        for text, _ in line:
            assert text.isprintable(), repr(text)
            assert not set(text) & set("\x1b\x07\x00\u202e\n\t")
    if width >= 40:
        links = laid_out({"lots": [{**lot, "signals": [], "trade": None}]}, width)[3:]
        assert all(sum(cell_len(text) for text, _ in line) <= width for line in links)
