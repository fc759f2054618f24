"""The gateways of a live session: how each is made around what the tape knows, and who supervises them."""

from collections.abc import Callable

from actors import live_waits
from actors.broker.desk import Desk
from actors.broker.directory import Directory
from actors.broker.market_feed import Hours
from actors.broker.market_wire import DailyBar
from actors.broker.minute_join import MinuteJoin, Quarantine
from actors.broker.stream_symbols import choose
from actors.broker.sweep import Sweeper
from actors.execution.lot_commands import unanswered
from actors.execution.lot_orders import LotOrders
from actors.gateways.alerts import AlertGateway
from actors.gateways.broker_stream import BrokerStream
from actors.gateways.broker_tasks import BrokerTasks
from actors.gateways.emergency import EmergencyExit
from actors.gateways.kill_watch import KillWatch
from actors.gateways.market_stream import MarketStream
from actors.gateways.order_gateway import OrderGateway
from actors.gateways.pulse import Pulse
from actors.live_chores import chores
from actors.live_links import Links, gateway_spec, held, lots_of
from actors.live_outlet import Outlet
from actors.live_screen import Parts
from actors.live_session import watch_lists
from actors.market.tasks import SYNC_POSITIONS, VALIDATE
from actors.refeed import Memory, executor_state
from runtime.kernel.gateway import Gateway, Inbox
from runtime.kernel.sequencer import Sequencer
from runtime.kernel.supervisor import GatewayFigures, GatewaySpec, Supervisor
from runtime.log import get_logger
from runtime.messages.broker import SubmitOrder
from runtime.messages.session import SessionHeader

_log = get_logger(__name__)


class Gateways:
    """Makes a session's gateways and their supervisor."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._running: dict[str, DailyBar] = {}
        self._sweeper = Sweeper(
            links.rest,
            links.desk,
            links.real,
            post=lambda said: links.host.post("broker", said),
            clock=links.clock,
        )
        door = [self._spec("ui_server", Inbox(), links.door.gateway)] if links.serves_door else []
        self.supervisor = Supervisor(
            [
                *chores(links, self._running),
                self._spec("kill_watch", links.outlet.kills, self._kill_watch),
                self._spec("broker_stream", Inbox(), self._broker_stream()),
                self._spec("order_gateway", links.outlet.orders, self._order_gateway),
                self._spec("broker_tasks", links.outlet.tasks, self._broker_tasks),
                self._spec("market_stream", Inbox(), self._market_stream()),
                *door,
                self._spec("alerts", links.alerts.inbox, self._alert_gateway),
                self._spec("emergency", Inbox(), self._emergency_exit),
                self._spec("pulse", Inbox(), self._pulse),
            ],
            links.real,
            record=links.outlet.crashed,
        )

    def _broker_tasks(self, inbox: Inbox) -> Gateway:
        links = self._links
        return BrokerTasks(
            inbox,
            links.host.post,
            rest=links.rest,
            prices=links.history,
            directory=links.desk.directory,
            streams=links.outlet.screen.streams_down,
            clock=links.clock,
            real=links.real,
        )

    def _spec(self, name: str, inbox: Inbox, build: Callable[[Inbox], Gateway]) -> GatewaySpec:
        return gateway_spec(self._links.plan.settings.supervision, name, inbox, build)

    def _alert_gateway(self, inbox: Inbox) -> Gateway:
        return AlertGateway("alerts", inbox, self._links.host.post, desk=self._links.alerts)

    def _pulse(self, inbox: Inbox) -> Gateway:
        return Pulse(inbox, self._links.host.post, real=self._links.real)

    def _kill_watch(self, inbox: Inbox) -> Gateway:
        return KillWatch("kill_watch", inbox, self._links.host.post, switch=self._links.switch)

    def _broker_stream(self) -> Callable[[Inbox], Gateway]:
        links = self._links
        source = live_waits.trade_socket(links.plan, links.real)
        first = iter((True,))

        def build(inbox: Inbox) -> Gateway:
            return BrokerStream(
                "broker_stream",
                inbox,
                links.host.post,
                source=source,
                rest=links.rest,
                directory=links.desk.directory,
                clock=links.clock,
                real=links.real,
                waits=live_waits.back_off(links.plan.settings.streams, "broker_stream"),
                told_until=links.memory.last_fill,
                is_first=next(first, False),
            )

        return build

    def _order_gateway(self, inbox: Inbox) -> Gateway:
        links = self._links
        settings = links.plan.settings
        return OrderGateway(
            inbox,
            links.host.post,
            links.rest,
            links.desk,
            clock=links.clock,
            wall=links.real,
            sync=links.sync,
            halted=links.why_not,
            patience=live_waits.patience(settings.requests, settings.orders.cancel_confirm_s),
            symbols=links.header.symbols,
        )

    def _emergency_exit(self, inbox: Inbox) -> Gateway:
        links = self._links
        return EmergencyExit(
            "emergency",
            inbox,
            links.host.post,
            emergency=links.emergency,
            sweeper=self._sweeper,
            patience=links.plan.settings.kill_switch.confirm_s,
            clock=links.clock,
            wall=links.real,
        )

    def _market_stream(self) -> Callable[[Inbox], Gateway]:
        links = self._links
        plan, header, settings = links.plan, links.header, links.plan.settings
        wanted = watch_lists(settings, header)
        choice = choose(held(links.host.sequencer), wanted, settings.data.stream_symbols or None)
        links.outlet.screen.not_streamed = len(choice.left_out)
        links.outlet.screen.left_out = choice.told()
        if choice.left_out:
            _log.warning("symbols not streamed: the data plan has no room", left_out=choice.told())
        refused = Quarantine("market stream")
        wait, early = live_waits.minute_waits(settings.streams, plan.speed)
        join = MinuteJoin(
            header.symbols,
            starts=header.starts,
            ends=header.ends,
            refused=refused,
            wait=wait,
            early=early,
            told=links.memory.last_minute,
        )
        how = live_waits.market_stream(settings.streams, plan.addresses.data_stream, plan.speed)
        if plan.market_time is not None:
            plan.market_time.ask = links.rest.clock
        hours = Hours(open=header.open, close=header.close)
        gap_from = header.open if links.clock.now() > header.open else 0

        def build(inbox: Inbox) -> Gateway:
            return MarketStream(
                "market_stream",
                inbox,
                links.host.post,
                settings=how,
                secrets=plan.secrets,
                symbols=choice.symbols,
                hours=hours,
                join=join,
                refused=refused,
                history=links.history,
                running=self._running,
                clock=links.clock,
                real=links.real,
                way=links.way,
                gap_from=gap_from,
                market_time=plan.market_time,
            )

        return build

    def figures(self) -> dict[str, GatewayFigures]:
        """Of the session's gateways, and of the one at the door."""
        return {**self.supervisor.figures(), **self._links.door.figures()}

    def open_door(self) -> None:
        """From now on screens see what trades here, and commands go to it."""
        links = self._links
        links.outlet.screen.open(
            Parts(
                host=links.host,
                gateways=self.figures,
                switch=links.switch,
                db=links.db,
                clock=links.clock,
                real=links.real,
                stop=links.stop,
                unanswered=links.desk.unanswered,
            ),
            links.door,
        )


def all_lots_of(sequencer: Sequencer) -> list[LotOrders]:
    """The same, and those of the session that are over: each with every order that made it."""
    state = sequencer.standing().get("executor")
    return executor_state(state).lots if state is not None else []


def know_splits(directory: Directory, header: SessionHeader) -> None:
    """Tell the directory, before a tape's first input, what splits have made of the lots until then."""
    carried = header.carried.get("executor")
    for lot in executor_state(carried).lots if carried is not None else ():
        if lot.adjusted:
            directory.restate(lot.lot_id, lot.symbol, lot.adjusted if lot.side == "buy" else -lot.adjusted)


def without_answer(sequencer: Sequencer, directory: Directory, now: int) -> list[str]:
    """Client ids of the orders of which something was asked, or heard, and what is the case is not known.

    Args:
        now: ns UTC.
    """
    asked = (one.client_order_id for lot in lots_of(sequencer) for one in unanswered(lot, now))
    return sorted({*asked, *directory.unread()})


def remember(desk: Desk, lots: list[LotOrders], memory: Memory, now: int) -> None:
    """Tell directory and desk what the tape knows.

    Until the broker has been heard out once in a session, lots may have been closed past an executor that
    was given up in the session before.

    Args:
        lots: All of the session. now: ns UTC.
    """
    directory = desk.directory
    for lot in lots:
        directory.seed(lot.orders.values())
    for order in memory.ended_orders():
        directory.add(
            order.client_order_id,
            order.symbol,
            broker_order_id=order.broker_order_id,
            parent_id=order.parent_id,
            filled=order.filled,
            average_price=order.average_price,
            is_accepted=bool(order.broker_order_id),
            is_over=True,
            side=order.side,
        )
    for lot in () if memory.is_compared else lots:
        if not lot.is_over:
            directory.suppose(lot.next_id("exit"), lot.symbol)
    directory.recall(memory.fills)
    if memory.closed_at >= 0:
        directory.were_closed(memory.fills[memory.closed_at :])
    for submission in memory.submissions.values():
        desk.take_over(submission)
    for cancel in memory.cancels.values():
        desk.take_over(cancel)
    for replacement in memory.replaces.values():
        desk.take_over(replacement)
    for lot in lots:
        # What the session before asked for is not on this one's tape.
        for command in unanswered(lot, now):
            is_sending = isinstance(command, SubmitOrder)
            group = [one.client_order_id for one in lot.group_of(command.client_order_id)]
            if not any(name in (desk.sendings if is_sending else desk.cancels) for name in group):
                desk.take_over(command)


def ask_again(memory: Memory, outlet: Outlet) -> None:
    """Have tasks done that the tape asks for and has no answer to."""
    for task in memory.tasks.values():
        if task.task in (VALIDATE, SYNC_POSITIONS):
            outlet.tasks.offer(task)
