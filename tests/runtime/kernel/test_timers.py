"""Timers as data: one for each name, the earliest first, of two at once the one that was set first."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.kernel.timers import Timers
from runtime.messages.machine import CancelTimer, SetTimer, TimerFired


def set_(key: str, due: int, actor: str = "executor") -> SetTimer:
    return SetTimer(ts_event=0, cause=1, actor=actor, key=key, due=due)


def cancel(key: str, actor: str = "executor") -> CancelTimer:
    return CancelTimer(ts_event=0, cause=1, actor=actor, key=key)


def fired(timers: Timers, until: int) -> list[tuple[int, str, str]]:
    found = []
    while (one := timers.pop_due(until)) is not None:
        found.append((one.ts_event, one.actor, one.key))
    return found


def test_what_is_due_comes_by_its_time_and_then_as_it_was_set() -> None:
    timers = Timers()
    for one in (set_("late", 9), set_("b", 5), set_("a", 5), set_("now", 1)):
        timers.apply(one)
    assert fired(timers, 5) == [(1, "executor", "now"), (5, "executor", "b"), (5, "executor", "a")]
    assert timers.next_due() == 9


def test_a_timer_fires_at_its_own_time_however_late_it_is_looked_for() -> None:
    timers = Timers()
    timers.apply(set_("a", 5))
    assert fired(timers, 1_000) == [(5, "executor", "a")]


def test_timers_of_two_actors_with_one_name_are_two() -> None:
    timers = Timers()
    timers.apply(set_("a", 5, "breaker"))
    timers.apply(set_("a", 6))
    timers.apply(cancel("a", "breaker"))
    assert fired(timers, 10) == [(6, "executor", "a")]


def test_what_was_recorded_as_fired_does_not_fire_again() -> None:
    timers = Timers()
    timers.apply(set_("a", 5))
    timers.apply(set_("b", 5))
    timers.forget_fired(set_("b", 5))  # type: ignore[arg-type]
    timers.forget_fired(TimerFired(ts_event=5, actor="executor", key="a"))
    timers.forget_fired(TimerFired(ts_event=5, actor="executor", key="unknown"))
    assert fired(timers, 10) == [(5, "executor", "b")]


step = st.one_of(
    st.builds(set_, st.sampled_from("abc"), st.integers(0, 20), st.sampled_from(["x", "y"])),
    st.builds(cancel, st.sampled_from("abc"), st.sampled_from(["x", "y"])),
    st.integers(0, 20),
)


@given(st.lists(step, max_size=40))
def test_they_are_a_list_of_the_latest_wish_for_each_name(steps: list[SetTimer | CancelTimer | int]) -> None:
    """Against a model that sorts all of them each time."""
    timers, model, count = Timers(), {}, 0
    for one in steps:
        if isinstance(one, int):
            due = sorted((at, number, name) for name, (at, number) in model.items() if at <= one)
            assert fired(timers, one) == [(at, *name) for at, _, name in due]
            model = {name: known for name, known in model.items() if known[0] > one}
        elif isinstance(one, SetTimer):
            count += 1
            model[one.actor, one.key] = one.due, count
            timers.apply(one)
        else:
            model.pop((one.actor, one.key), None)
            timers.apply(one)
        assert timers.next_due() == min((at for at, _ in model.values()), default=None)
