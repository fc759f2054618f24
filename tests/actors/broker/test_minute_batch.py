"""A frame of many bars joins exactly as its bars do one by one, whatever is odd about it."""

from math import inf, nan
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.broker import minute_join
from actors.broker.market_wire import MinuteBar, UpdatedBar
from actors.broker.minute_batch import WORTH, plain_minute
from actors.broker.minute_join import MinuteJoin, Quarantine
from runtime.messages.codec import encode
from tests.actors.broker.market_samples import MINUTE, OPEN, SECOND, moment

NAMES = tuple(f"{chr(65 + one // 26)}{chr(65 + one % 26)}" for one in range(2 * WORTH))
SOON = 20_000_000
IDS = {name: place for place, name in enumerate(NAMES)}

PLAIN = {"o": 10.0, "h": 10.5, "l": 9.5, "c": 10.25, "v": 100.0, "n": 3.0, "vw": 10.1}
ODD: list[dict[str, Any]] = [
    {"o": nan}, {"h": inf}, {"l": 0.0}, {"l": -1.0}, {"c": 11.0}, {"o": 9.0}, {"h": 9.0}, {"h": 2e6},
    {"v": -1.0}, {"v": 1.5}, {"v": nan}, {"v": 2.0**53}, {"v": 0.0}, {"n": None}, {"vw": None}, {"n": -1.0},
    {"vw": inf}, {"vw": 0.0}, {"h": 99.0}, {"h": 99.0, "c": 60.0}, {"l": 2.0}, {"h": 20.0},
]  # fmt: skip
"""What one bar may have in the place of a plain one's numbers; some of it is allowed."""


def bars(minute: int, changes: dict[int, dict[str, Any]], **more: Any) -> list[Any]:
    made: list[Any] = [
        MinuteBar(S=name, t=moment(OPEN + minute * MINUTE), **(PLAIN | changes.get(place, {})))
        for place, name in enumerate(NAMES)
    ]
    match more.get("how"):
        case "twice":
            made.append(made[3])
        case "stranger":
            made.append(MinuteBar(S="ZZZZ", t=moment(OPEN), **PLAIN))
        case "updated":
            made[5] = UpdatedBar(S=NAMES[5], t=moment(OPEN + minute * MINUTE), **PLAIN)
        case "other minute":
            made[5] = MinuteBar(S=NAMES[5], t=moment(OPEN + (minute + 1) * MINUTE), **PLAIN)
        case "off the minute":
            made = [MinuteBar(S=one.S, t=moment(OPEN + 7), **PLAIN) for one in made]
        case "early part":
            made = made[: WORTH + 2]
        case "late part":
            made = made[WORTH:]
        case "spoilt part":  # the third bar contradicts itself
            made = [
                *made[:4],
                MinuteBar(S=NAMES[3], t=moment(OPEN + minute * MINUTE), **(PLAIN | {"c": 10.3})),
            ]
        case "other part":
            made = made[3:]
    return made


def joined(frames: list[tuple[list[Any], int]], patched: bool) -> tuple[list[bytes], list[Any], Any]:
    """What a joiner tells, refuses and remembers of frames that come at a time each."""
    refused = Quarantine("test")
    join = MinuteJoin(NAMES, starts=OPEN - MINUTE, ends=OPEN + 60 * MINUTE, refused=refused)
    join.await_symbols(NAMES)
    if patched:
        join._take_plain = lambda *_: False  # type: ignore[method-assign]
    told = []
    for frame, now in frames:
        told += join.take(frame, now)
    told += join.tell(OPEN + 100 * MINUTE)
    levels = repr((join._levels.close.tolist(), join._levels.pending.tolist()))  # a NaN is like another
    return [encode(one) for one in told], [encode(one) for one in refused.tell(0)], levels


steps = st.lists(
    st.tuples(
        st.integers(-2, 4),
        st.dictionaries(st.integers(0, len(NAMES) - 1), st.sampled_from(ODD), max_size=2),
        st.sampled_from(
            [*("plain",) * 6, "twice", "stranger", "updated", "other minute", "off the minute", "early part",
             "late part", "spoilt part", "other part"]
        ),
        st.sampled_from([-5 * SECOND, SOON, SECOND, 90 * SECOND]),
    ),
    max_size=6,
)  # fmt: skip


@given(steps)
@example([(0, {}, "early part", SOON), (0, {3: {"c": 10.3}}, "plain", SOON)])
@example([(0, {}, "spoilt part", SOON), (0, {}, "other part", SOON)])
@example([(0, {}, "plain", SOON), (0, {3: {"c": 10.3}}, "plain", SOON)])
@example([(0, {}, "early part", SOON), (0, {}, "late part", SOON)])
@example([(0, {}, "plain", SOON), (1, {7: {"h": 20.0}}, "plain", SOON)])
def test_a_frame_joins_as_its_bars_do_one_by_one(steps: list[Any]) -> None:
    now, frames = OPEN, []
    for minute, changes, how, lag in steps:
        now = max(now, OPEN + (minute + 1) * MINUTE + lag)
        frames.append((bars(minute, changes, how=how), now))
    assert joined(frames, patched=False) == joined(frames, patched=True)


def test_a_plain_frame_is_taken_as_a_batch() -> None:
    batch = plain_minute(bars(0, {}), IDS)
    assert batch is not None
    assert (batch.ts, batch.ids) == (OPEN, list(range(len(NAMES))))
    assert tuple(batch.values[:, 0].tolist()) == tuple(PLAIN.values())
    assert minute_join.plain_minute is plain_minute


@pytest.mark.parametrize("change", [one for one in ODD if not {"n", "vw"} & one.keys() and one != {"v": 0.0}])
def test_one_bad_bar_leaves_the_frame_to_the_look_at_each(change: dict[str, Any]) -> None:
    batch = plain_minute(bars(0, {7: change}), IDS)
    far = change in (
        {"h": 99.0},
        {"h": 99.0, "c": 60.0},
        {"l": 2.0},
        {"h": 20.0},
    )  # sound in form, judged by the level
    assert (batch is not None) == far


def test_few_bars_are_looked_at_one_by_one() -> None:
    assert plain_minute(bars(0, {})[: WORTH - 1], IDS) is None
    assert plain_minute(bars(0, {})[:WORTH], IDS) is not None
