"""The table of pages: a page is added by a line here; its place is its key, the tenth one's is 0."""

from tui.panels.deciders import Log, Signals, Strategies
from tui.panels.equity import EquityChart
from tui.panels.holdings import Orders, Positions, Trades
from tui.panels.machinery import Actors, Alerts, ErrorCounts, Errors, Tasks
from tui.panels.risk import Breakers, Regime
from tui.panels.transport import TransportFacts
from tui.screens.overview import Overview
from tui.screens.page import Page, PageSpec, Panel


class PositionsPage(Page):
    """What is held, and what was closed today."""

    DEFAULT_CSS = """
    PositionsPage Positions { height: 3fr; }
    PositionsPage Trades { height: 2fr; }
    """

    def make(self) -> tuple[Panel, ...]:
        """Open ones above."""
        return Positions(), Trades()


class OrdersPage(Page):
    """Every order of the session."""

    def make(self) -> tuple[Panel, ...]:
        """One table."""
        return (Orders(),)


class StrategiesPage(Page):
    """Every strategy."""

    def make(self) -> tuple[Panel, ...]:
        """One table."""
        return (Strategies(),)


class RiskPage(Page):
    """Breakers with their limits, the regime and the curves they watch."""

    SCOPED_CSS = False

    DEFAULT_CSS = """
    RiskPage Breakers { height: 2fr; }
    RiskPage Regime { height: 1; padding: 0 2; }
    RiskPage EquityChart { height: 3fr; }
    .-low RiskPage .history, .-flat RiskPage .history { display: none; }
    """

    def make(self) -> tuple[Panel, ...]:
        """Gauges above."""
        history = EquityChart("Equity by day", history=True)
        history.add_class("history")
        return Breakers(wide=True), Regime(), EquityChart("Equity today"), history


class SignalsPage(Page):
    """Every signal of the session and what became of it."""

    def make(self) -> tuple[Panel, ...]:
        """One table."""
        return (Signals(),)


class LogPage(Page):
    """The log."""

    def make(self) -> tuple[Panel, ...]:
        """One table."""
        return (Log(heading=True),)


class ErrorsPage(Page):
    """What went wrong, what was done about it, and who was told."""

    SCOPED_CSS = False

    DEFAULT_CSS = """
    ErrorsPage ErrorCounts { padding: 0 2; }
    ErrorsPage Errors { height: 3fr; }
    ErrorsPage Alerts { height: 1fr; min-height: 4; }
    .-flat ErrorsPage Alerts { display: none; }
    """

    def make(self) -> tuple[Panel, ...]:
        """Counts above."""
        return ErrorCounts(), Errors(), Alerts()


class ActorsPage(Page):
    """How the machine works, and what the day asked of it."""

    SCOPED_CSS = False

    DEFAULT_CSS = """
    ActorsPage Actors { height: 3fr; }
    ActorsPage Tasks { height: 2fr; }
    .-flat ActorsPage Tasks { display: none; }
    """

    def make(self) -> tuple[Panel, ...]:
        """Actors above."""
        return Actors(), Tasks()


class ReplayPage(Page):
    """Where a replay stands, and the curve and signals it has made so far."""

    SCOPED_CSS = False

    DEFAULT_CSS = """
    ReplayPage EquityChart { height: 1fr; }
    ReplayPage Signals { height: 1fr; }
    .-flat ReplayPage EquityChart { display: none; }
    """

    def make(self) -> tuple[Panel, ...]:
        """The transport above."""
        return TransportFacts(), EquityChart("Equity today"), Signals()


PAGES = (
    PageSpec("overview", "Overview", Overview),
    PageSpec("positions", "Positions", PositionsPage),
    PageSpec("orders", "Orders", OrdersPage),
    PageSpec("strategies", "Strategies", StrategiesPage),
    PageSpec("risk", "Risk", RiskPage),
    PageSpec("signals", "Signals", SignalsPage),
    PageSpec("log", "Log", LogPage),
    PageSpec("errors", "Errors", ErrorsPage),
    PageSpec("actors", "Actors", ActorsPage),
    PageSpec("replay", "Replay", ReplayPage),
)
