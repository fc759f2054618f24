"""Every setting there is: the sections, and all of them together.

In the modules of the sections each field has its type and bounds, and under it what it means, its unit and
where the number comes from: `strategies N`, `seed N` and `architecture N` are sections of the
specification, `design` is a choice of ours.
"""

from config.alerts import AlertRule, Alerts
from config.base import Section
from config.connections import Requests, Streams
from config.execution import Execution, Orders
from config.machine import Broker, Data, Endpoints, KillSwitch, Log, Paths, Supervision, Tapes
from config.strategies import DEFAULT_STRATEGIES, StrategySettings, check_book
from config.trading import Account, Breakers, Ensemble, Limits, Regime

__all__ = [
    "Account",
    "AlertRule",
    "Alerts",
    "Breakers",
    "Broker",
    "Data",
    "Endpoints",
    "Ensemble",
    "Execution",
    "KillSwitch",
    "Limits",
    "Log",
    "Orders",
    "Paths",
    "Regime",
    "Requests",
    "Section",
    "Settings",
    "StrategySettings",
    "Streams",
    "Supervision",
    "Tapes",
]


class Settings(Section, frozen=True, kw_only=True):
    """Everything that can be set, one section per topic."""

    account: Account = Account()
    breakers: Breakers = Breakers()
    limits: Limits = Limits()
    regime: Regime = Regime()
    ensemble: Ensemble = Ensemble()
    orders: Orders = Orders()
    execution: Execution = Execution()
    data: Data = Data()
    supervision: Supervision = Supervision()
    tapes: Tapes = Tapes()
    kill_switch: KillSwitch = KillSwitch()
    log: Log = Log()
    alerts: Alerts = Alerts()
    broker: Broker = Broker()
    streams: Streams = Streams()
    requests: Requests = Requests()
    endpoints: Endpoints = Endpoints()
    paths: Paths = Paths()
    strategies: tuple[StrategySettings, ...] = DEFAULT_STRATEGIES
    """In config order, which breaks ties between equal allocations. Source: strategies 7."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_book(self.strategies)

    def strategy(self, name: str) -> StrategySettings | None:
        """One strategy's settings, or None if there is none of that name."""
        return next((strategy for strategy in self.strategies if strategy.name == name), None)
