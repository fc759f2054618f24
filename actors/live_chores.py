"""Gateways that have one thing to do in a session: the day's bars, announcements, missing history."""

from collections.abc import Callable, Mapping

from actors.broker.market_wire import DailyBar
from actors.gateways.corporate_actions import CorporateActions
from actors.gateways.daily_data import DailyData
from actors.gateways.missing_days import MissingDays
from actors.live_history import fill
from actors.live_links import Links, gateway_spec, held
from actors.live_session import daily_facts, day_keeper, vix_reader, wanted_days
from actors.live_waits import SPARE, bar_history
from runtime.kernel.gateway import Gateway, Inbox
from runtime.kernel.supervisor import GatewaySpec

FILL_S = 3_600.0
"""Seconds of real time for one look at all that is missing."""


def chores(links: Links, running: Mapping[str, DailyBar]) -> list[GatewaySpec]:
    """Those that are left to do.

    Args:
        running: The day so far by symbol, as the stream tells it.
    """
    rules, data = links.plan.settings.supervision, links.plan.settings.data
    left = {"corporate_actions": _corporate_actions(links)}
    if not links.memory.is_day_told:
        left = {"daily_data": _daily_data(links, running), **left}
    if data.history_fetch_s:
        left["missing_days"] = _missing_days(links)
    return [gateway_spec(rules, name, Inbox(), build) for name, build in left.items()]


def _daily_data(links: Links, running: Mapping[str, DailyBar]) -> Callable[[Inbox], Gateway]:
    root, header = links.plan.root, links.header
    facts = daily_facts(header, links.panels)

    def build(inbox: Inbox) -> Gateway:
        return DailyData(
            inbox,
            links.host.post,
            facts=facts,
            settings=links.plan.settings.data,
            days=links.history,
            running=running,
            vix=vix_reader(root, header.session, links.clock.now),
            keep=day_keeper(root),
            clock=links.clock,
        )

    return build


def _corporate_actions(links: Links) -> Callable[[Inbox], Gateway]:
    def build(inbox: Inbox) -> Gateway:
        return CorporateActions(
            inbox,
            links.host.post,
            header=links.header,
            source=links.history,
            held=lambda: held(links.host.sequencer),
            clock=links.clock,
            real=links.real,
        )

    return build


def _missing_days(links: Links) -> Callable[[Inbox], Gateway]:
    plan, session = links.plan, links.header.session

    def build(inbox: Inbox) -> Gateway:
        return MissingDays(
            inbox,
            links.host.post,
            fill=lambda: fill(
                lambda: wanted_days(plan.root, session, plan.settings),
                lambda: bar_history(plan, links.real, part=SPARE),
                FILL_S,
            ),
            real=links.real,
        )

    return build
