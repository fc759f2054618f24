"""What a strategy says passes its door once, in its moment, and never an entry at a late bar."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from actors.strategies.base import Bars, SignalRaised, Strategy
from runtime.messages.market import BarsRevised
from runtime.messages.trading import SignalDropped
from tests.actors.days import MINUTE, Stage
from tests.actors.test_strategy import OPEN, bars, host, lot, scripted, tell


def dropped(said: list[Any]) -> list[tuple[str, str]]:
    return [(one.signal_id, one.reason) for one in said if isinstance(one, SignalDropped)]


def raised(said: list[Any]) -> list[str]:
    return [one.id for one in said if isinstance(one, SignalRaised)]


class Late(Strategy):
    """Says the same to a late bar as to one in time."""

    def on_bars(self, bars: Bars) -> Iterator[SignalRaised]:
        return iter(())

    def on_bars_revised(self, bars: BarsRevised) -> Iterator[SignalRaised]:
        for holding in list(self.context.holdings.values()):
            yield self.close(holding, "late news")
        yield self.buy("SPY", stop=98.0, target=104.0, reason="late news")


def revised(stage: Stage) -> list[Any]:
    frame = bars()
    late = BarsRevised.of(frame.ids, frame.values, ts_event=frame.ts_event, reason="late")
    return list(stage.tell(late, frame.ts_event + 3 * MINUTE))


def test_a_late_bar_never_triggers_an_entry_and_says_what_it_would_have_been() -> None:
    stage = host(Late)
    tell(stage, bars())
    (refused,) = revised(stage)
    assert (refused.status, refused.reason, refused.symbol) == ("rejected", "LATE", "SPY")
    assert refused.detail == ("a late bar never triggers an entry; BUY 100 stop 98.0 target 104.0")
    assert (refused.ts_event, refused.cause, refused.strategy) == (
        stage.moment.now, stage.moment.seq, "told",
    )  # fmt: skip


def test_a_late_bar_may_close_what_is_held() -> None:
    stage = host(Late)
    tell(stage, bars())
    stage.tell(lot(), OPEN + 2 * MINUTE)
    said = revised(stage)
    assert [one.signal_type for one in said if isinstance(one, SignalRaised)] == ["CLOSE"]
    assert [reason for _, reason in dropped(said)] == ["LATE"]


def test_a_signal_that_was_kept_for_later_is_looked_at_like_a_foreign_one_and_stamped_anew() -> None:
    kept: list[SignalRaised] = []

    def script(strategy: Strategy, frame: Bars) -> Iterator[SignalRaised]:
        if kept:
            yield kept.pop()
        else:
            kept.append(strategy.buy("IBM", stop=98.0, target=104.0, reason="kept"))

    stage = host(scripted(script))
    assert tell(stage, bars()) == []
    (said,) = tell(stage, bars(1))
    assert raised([said]) == ["told-20180305-1"]
    assert (said.ts_event, said.cause) == (stage.moment.now, stage.moment.seq)


class Keeps(Strategy):
    """Makes a signal while it says nothing, and says it at the next bar."""

    def __init__(self, *facts: Any) -> None:
        super().__init__(*facts)
        self.kept: list[SignalRaised] = []

    def on_bars(self, bars: Bars) -> list[SignalRaised] | None:
        if self.kept:
            return [self.kept.pop()]
        self.kept.append(self.buy("IBM", stop=98.0, target=104.0, reason="kept"))
        return None


def test_a_signal_that_was_made_in_another_moment_is_stamped_with_the_one_in_which_it_is_said() -> None:
    stage = host(Keeps)
    assert tell(stage, bars()) == []
    (said,) = tell(stage, bars(1))
    assert raised([said]) == ["told-20180305-1"]
    assert (said.ts_event, said.cause) == (stage.moment.now, stage.moment.seq)


def test_a_signal_that_is_said_twice_is_told_once_and_refused_under_another_id() -> None:
    def script(strategy: Strategy, frame: Bars) -> Iterator[SignalRaised]:
        one = strategy.buy("IBM", stop=98.0, target=104.0, reason="told")
        yield one
        yield one

    stage = host(scripted(script))
    said = tell(stage, bars())
    assert raised(said) == ["told-20180305-1"]
    assert dropped(said) == [("told-20180305-2", "INVALID")]
    assert "id was used before" in said[1].detail


def test_what_was_made_and_never_said_is_forgotten_with_its_moment() -> None:
    def script(strategy: Strategy, frame: Bars) -> Iterator[SignalRaised]:
        strategy.buy("IBM", stop=98.0, target=104.0, reason="unsaid")
        yield from ()

    stage = host(scripted(script))
    tell(stage, bars())
    assert stage.actor._door._context.made == {}  # type: ignore[attr-defined]


@pytest.mark.parametrize("field", ["strategy", "id"])
def test_the_refusal_of_a_foreign_signal_bears_an_id_of_ones_own(field: str) -> None:
    def script(strategy: Strategy, frame: Bars) -> Iterator[SignalRaised]:
        one = strategy.buy("IBM", stop=98.0, target=104.0, reason="told")
        yield msgspec.structs.replace(one, **{field: "other-20180305-7"})

    stage = host(scripted(script))
    said = tell(stage, bars())
    assert raised(said) == []
    assert dropped(said) == [("told-20180305-2", "INVALID")]
    assert said[0].strategy == "told"
