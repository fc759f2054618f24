"""Several sessions in one process around a made-up day, and how a day comes to its end."""

from collections.abc import Callable

from actors.live_days import LiveDays
from actors.live_plan import Plan
from runtime.messages.market import DailyReady
from runtime.messages.risk import PhaseChanged
from tests.system.live_day import MINUTE, Live


def days_of(
    live: Live,
    begins: Callable[[str], None] = lambda session: None,
    plan: Callable[[str], Plan] | None = None,
) -> LiveDays:
    """Sessions one after the other around a live day's clock and eyes.

    Args:
        plan: What a session is to be; None: the live day's own plan.
    """
    return LiveDays(
        plan or live.plan_of,
        clock=live.clock,
        real=live.real,
        errors=live.errors,
        observers=[live._see],
        begins=begins,
    )


async def to_the_end(live: Live) -> None:
    """Phase by phase, the daily bars, then 18:00."""
    header = live.engine.header
    steps = [start.ts for start in header.phases if start.ts > live.clock.now()]
    for moment in steps:
        await live.server.move_to(moment)
        live.clock.advance(moment)
        await live.until(lambda at=moment: any(one.ts_event == at for one in live.of(PhaseChanged)))
    if header.close + 20 * MINUTE > live.clock.now():
        await live.server.move_to(header.close + 20 * MINUTE)
        live.clock.advance(header.close + 20 * MINUTE)
    await live.until(lambda: live.of(DailyReady))
    live.clock.advance(header.ends)
