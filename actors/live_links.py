"""What gateways share of a session, and how each is kept running."""

from collections.abc import Callable

import msgspec

from actors.broker.bar_history import BarHistory
from actors.broker.desk import Desk
from actors.broker.rest import Rest
from actors.broker.right_of_way import RightOfWay
from actors.execution.lot_orders import LotOrders
from actors.gateways.alerts import AlertDesk
from actors.gateways.db_writer import DbWriter
from actors.gateways.emergency import Emergency
from actors.gateways.kill_watch import KillSwitch
from actors.live_door import Door
from actors.live_outlet import Outlet
from actors.live_plan import Plan
from actors.live_session import Panels
from actors.refeed import Memory, executor_state
from config.machine import Supervision
from runtime.kernel.clock import Clock
from runtime.kernel.gateway import Gateway, Inbox
from runtime.kernel.host import Host
from runtime.kernel.sequencer import Sequencer
from runtime.kernel.supervisor import GatewaySpec
from runtime.messages.session import SessionHeader

SECOND = 1_000_000_000
STOP_ORDER = ("market_stream", "order_gateway", "emergency", "broker_stream", "kill_watch")
"""First nothing new is decided, then what was decided leaves, then what became of it is heard."""
ONCE = ("daily_data", "corporate_actions", "missing_days")
"""They end when their work is done, which is no fault."""


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """What gateways share of a session.

    Attributes:
        clock: Market time. real: time of waits, time-outs and the request budget.
        sync: Waits, in a worker thread, until the tape is on the disk. why_not: why nothing that adds
            exposure may leave, or empty; from any thread. stop: ends the session in order.
        door: Where screens and commands come in. serves_door: whether the session keeps its gateway.
    """

    plan: Plan
    header: SessionHeader
    panels: Panels
    memory: Memory
    outlet: Outlet
    host: Host
    switch: KillSwitch
    db: DbWriter
    desk: Desk
    way: RightOfWay
    alerts: AlertDesk
    emergency: Emergency
    rest: Rest
    history: BarHistory
    clock: Clock
    real: Clock
    sync: Callable[[], None]
    why_not: Callable[[], str]
    stop: Callable[[], None]
    door: Door
    serves_door: bool


def gateway_spec(
    rules: Supervision, name: str, inbox: Inbox, build: Callable[[Inbox], Gateway]
) -> GatewaySpec:
    """How a gateway is kept running."""
    return GatewaySpec(
        name=name,
        build=build,
        inbox=inbox,
        transient=name in ONCE,
        intensity=rules.max_restarts,
        period=round(rules.restart_period_s * SECOND),
        stop_timeout=round(rules.drain_timeout_s * SECOND) // len(STOP_ORDER),
        back_off_first=round(rules.backoff_first_s * SECOND),
        back_off_most=round(rules.backoff_max_s * SECOND),
    )


def lots_of(sequencer: Sequencer) -> list[LotOrders]:
    """The executor's lots as they stand."""
    carried = sequencer.carry().get("executor")
    return executor_state(carried).lots if carried is not None else []


def held(sequencer: Sequencer) -> list[str]:
    """Symbols of the lots that are not flat, each once."""
    return sorted({lot.symbol for lot in lots_of(sequencer) if lot.held})
