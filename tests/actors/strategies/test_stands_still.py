"""Whether a symbol stands still is the same answer by the short way and by the search."""

from hypothesis import given
from hypothesis import strategies as st

from actors.strategies.admission import Admission
from actors.strategies.context import MINUTE, StrategyContext
from runtime.messages.market import Bars
from tests.actors.days import at, header

OPEN = at(9.5)

FRAMES = st.lists(st.sampled_from(["all", "all", "all", "one", "other", "none", "gap"]), max_size=14)


def frame(ids: list[int], minute: int) -> Bars:
    return Bars.of(ids, [[100.0] * len(ids)] * 5, ts_event=OPEN + minute * MINUTE)


@given(st.integers(-8, 0), FRAMES, st.integers(0, 3 * MINUTE), st.integers(-1, 14))
def test_the_short_way_says_what_the_search_says(
    first: int, kinds: list[str], later: int, joins_at: int
) -> None:
    facts = header()
    context = StrategyContext(facts, {}, name="told", allow_short=False, slots=1)
    short, long = Admission(context, {}), Admission(context, {})
    count = len(facts.symbols)
    now = OPEN
    for number, kind in enumerate(kinds):
        minute = first + number
        if number == joins_at:
            context.add_symbol("NEW", "")
            count += 1
        now = OPEN + (minute + 1) * MINUTE
        if kind != "gap":
            ids = {"all": list(range(count)), "one": [0], "other": [1], "none": []}[kind]
            for admission in (short, long):
                admission.see(frame(ids, minute), now)
        long._whole_since = 0
        for symbol in context.symbols:
            short._liquid[symbol] = long._liquid[symbol] = True
            for asked in (now, now + later):
                assert short._stands_still(symbol, asked) == long._stands_still(symbol, asked)
