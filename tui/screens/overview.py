"""The first page: what is held, ordered, earned and at risk, on one screen of any size."""

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from tui.panels.deciders import Log, Signals, Strategies
from tui.panels.equity import EquityChart, Spark
from tui.panels.holdings import Orders, Positions
from tui.panels.risk import Breakers, Brief, Regime
from tui.screens.page import Page, Panel


class Overview(Page):
    """Two columns where there is room, one without borders where not."""

    SCOPED_CSS = False

    DEFAULT_CSS = """
    Overview #left { width: 3fr; }
    Overview #right { width: 2fr; }
    Overview #risk { height: 13; border: round $line; border-title-color: $quiet; border-title-style: none; }
    Overview #risk Breakers, Overview #risk Breakers:focus { border: none; }
    Overview Spark, Overview Brief { display: none; }
    Overview Positions { height: 13; }
    Overview Orders { height: 1fr; }
    Overview Signals { height: 1fr; }
    Overview Log { height: 1fr; }
    Overview EquityChart { height: 1fr; }
    Overview Strategies { height: 14; }
    Overview .history { display: none; }
    .-low Overview Orders { height: 6; }
    .-low Overview Signals { display: none; }
    .-low Overview #risk { height: 8; }
    .-low Overview Regime { display: none; }
    .-low Overview Strategies { height: 10; }
    .-high Overview .history { display: block; }
    .-high Overview Positions { height: 17; }
    .-narrow Overview #right, .-narrow Overview Orders, .-narrow Overview Signals,
    .-flat Overview #right, .-flat Overview Orders, .-flat Overview Signals { display: none; }
    .-narrow Overview Spark, .-narrow Overview Brief,
    .-flat Overview Spark, .-flat Overview Brief { display: block; }
    .-narrow Overview Positions, .-flat Overview Positions { height: 11; max-height: 60%; min-height: 3; }
    .-narrow.-tall Overview Orders, .-narrow.-high Overview Orders { display: block; height: 1fr; }
    .-narrow.-tall Overview Signals, .-narrow.-high Overview Signals { display: block; height: 1fr; }
    """

    def make(self) -> tuple[Panel, ...]:
        """Those that are tables first."""
        self.positions, self.orders, self.signals = Positions(), Orders(working=True), Signals()
        self.breakers, self.strategies, self.log_panel = Breakers(), Strategies(), Log()
        self.today, self.history = EquityChart("Equity today"), EquityChart("Equity by day", history=True)
        self.history.add_class("history")
        self.spark, self.brief, self.regime = Spark(), Brief(), Regime()
        return (
            self.positions, self.orders, self.signals, self.log_panel, self.breakers, self.strategies,
            self.today, self.history, self.spark, self.regime, self.brief,
        )  # fmt: skip

    def compose(self) -> ComposeResult:
        """Tables and log at the left, curves and gauges at the right."""
        with Horizontal():
            with Vertical(id="left"):
                yield from self._left()
            with Vertical(id="right"):
                yield self.today
                yield self.history
                risk = Vertical(self.breakers, self.regime, id="risk")
                risk.border_title = "Breakers and regime"
                yield risk
                yield self.strategies

    def _left(self) -> Iterator[Positions | Spark | Brief | Orders | Signals | Log]:
        yield self.positions
        yield self.spark
        yield self.brief
        yield self.orders
        yield self.signals
        yield self.log_panel
