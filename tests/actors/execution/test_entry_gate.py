"""Each reason that keeps entries back does so alone, together with others, and not after it is gone."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from actors.execution.entry_gate import EntryGate

REST, NOW = 300, 1_000

Switch = Callable[[EntryGate, bool], object]

EVERYBODY: dict[str, Switch] = {
    "kill switch": lambda gate, on: gate.halt(on),
    "not ready": lambda gate, on: gate.stream(not on, "lost"),
    "not compared": lambda gate, on: gate.wait("not compared" if on else ""),
    "blocked": lambda gate, on: gate.account(blocked=on, can_short=True),
}
SYMBOL: dict[str, Switch] = {
    "in doubt": lambda gate, on: gate.doubt("SPY", "SPY is in doubt" if on else ""),
    "not in the account": lambda gate, on: gate.eaten("SPY", "shares are not in the account" if on else ""),
    "not tradable": lambda gate, on: gate.assets(("SPY",) if on else (), ()),
}
ALL = EVERYBODY | SYMBOL


def gate() -> EntryGate:
    return EntryGate(is_halted=False, reconciles=False, rest=REST)


@given(st.lists(st.tuples(st.sampled_from(sorted(ALL)), st.booleans()), max_size=20))
def test_an_entry_leaves_exactly_when_no_reason_stands(steps: list[tuple[str, bool]]) -> None:
    tested = gate()
    standing: dict[str, bool] = {}
    for name, on in steps:
        ALL[name](tested, on)
        standing[name] = on
    reasons = [name for name, on in standing.items() if on]
    assert bool(tested.refusal("SPY", "buy", NOW)) == bool(reasons)
    assert bool(tested.refusal("AAPL", "buy", NOW)) == any(name in EVERYBODY for name in reasons)
    refusal = tested.refusal("SPY", "buy", NOW)
    assert not refusal or any(name in refusal for name in reasons)


def test_a_broker_whose_account_may_differ_is_compared_with_first() -> None:
    waiting = EntryGate(is_halted=False, reconciles=True, rest=REST)
    assert (waiting.is_waiting, bool(waiting.refusal("SPY", "buy", NOW))) == (True, True)
    waiting.wait("")
    assert waiting.refusal("SPY", "buy", NOW) == ""


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1_000)), min_size=1, max_size=10))
def test_a_symbol_rests_after_its_halt_and_others_do_not(changes: list[tuple[bool, int]]) -> None:
    tested, now = gate(), NOW
    for halted, later in changes:
        now += later
        tested.symbol_halted("SPY", halted, now)
    halted = changes[-1][0]
    assert tested.is_symbol_halted("SPY") == halted
    assert tested.refusal("SPY", "buy", now)
    assert tested.refusal("SPY", "buy", now + REST - 1)
    assert bool(tested.refusal("SPY", "buy", now + REST)) == halted
    assert tested.refusal("AAPL", "buy", now) == ""


def test_short_entries_need_an_account_and_shares_to_borrow() -> None:
    tested = gate()
    tested.assets((), ("SPY",))
    assert "borrowed" in tested.refusal("SPY", "sell", NOW)
    assert tested.refusal("SPY", "buy", NOW) == tested.refusal("AAPL", "sell", NOW) == ""
    tested.account(blocked=False, can_short=False)
    assert "not allowed to short" in tested.refusal("AAPL", "sell", NOW)
    assert tested.refusal("AAPL", "buy", NOW) == ""


def test_what_a_refusal_teaches_is_not_asked_again() -> None:
    tested = gate()
    tested.refused_asset("SPY", 'asset "SPY" is not tradable')
    tested.refused_asset("AAPL", "AAPL cannot be sold short")
    assert tested.refusal("SPY", "buy", NOW)
    assert tested.refusal("AAPL", "buy", NOW) == ""
    assert tested.refusal("AAPL", "sell", NOW)
    tested.refused_asset("TSLA", "insufficient buying power")
    assert tested.refusal("TSLA", "sell", NOW) == ""
