"""What is to be done in each phase of the day, by whom, and what if it is late.

The names and their order are those of seed 1. A task without an owner is told of as skipped: its subject is
not part of the system yet, and nobody shall believe that it ran.
"""

from typing import Literal

import msgspec

from runtime.messages.risk import Phase, TaskDone, TaskDue

WhenLate = Literal["run", "within_phase", "skip", "next_open"]

LATE_NS = 60_000_000_000
"""A task or phase that begins more than this after its time is late, ns."""


class Task(msgspec.Struct, frozen=True):
    """One entry of the registry.

    Attributes:
        owner: The actor that does it; `broker`: a gateway asks the broker, so only where there is one;
            empty: not available.
        when_late: `run` catches up at any time, `within_phase` only while its phase lasts, `skip` never,
            `next_open` at the next session's open, as a CRITICAL fault.
    """

    name: str
    owner: str = ""
    when_late: WhenLate = "run"


BROKER = "broker"
"""Owner of tasks whose answer comes from outside, as `TaskAnswered`."""
VALIDATE = "validate_api_connectivity"
SYNC_POSITIONS = "sync_positions_from_broker"
CLOSE_INTRADAY = "close_intraday_positions"

TASK_REGISTRY: dict[Phase, tuple[Task, ...]] = {
    "PRE_MARKET": (
        Task(VALIDATE, BROKER),
        Task(SYNC_POSITIONS, BROKER),
        Task("load_regime_detector", "regime"),
        Task("run_premarket_analysis", "ensemble"),
    ),
    "MARKET_OPEN": (
        Task("check_opening_conditions", "ensemble", "skip"),
        Task("execute_opening_orders", "ensemble", "skip"),
    ),
    "TRADING": (
        Task("monitor_positions", "portfolio", "within_phase"),
        Task("process_intraday_signals", "ensemble", "within_phase"),
        Task("check_circuit_breakers", "breaker"),
    ),
    "MARKET_CLOSE": (
        Task(CLOSE_INTRADAY, "ensemble", "next_open"),
        Task("calculate_daily_pnl", "portfolio"),
    ),
    "AFTER_HOURS": (
        Task("run_daily_research"),
        Task("update_watchlists"),
        Task("run_strategy_optimization"),
    ),
    "OVERNIGHT": (
        Task("run_nightly_research_pipeline"),
        Task("checkpoint_system_state", "phase_clock"),
    ),
}
"""Phase to its tasks, in the order they are done."""


def done(task: TaskDue, detail: str, now: int, cause: int) -> TaskDone:
    """That a task was done, and what came of it."""
    return TaskDone(ts_event=now, cause=cause, task=task.task, phase=task.phase, status="done", detail=detail)
