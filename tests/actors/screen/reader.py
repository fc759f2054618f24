"""What a client makes of frames: the tables as plain dictionaries, by the rules of the wire."""

from typing import Any

from runtime.messages.screen import EquityPoints, Frame, Table

TABLES = (
    *("positions", "orders", "trades", "strategies", "gauges", "signals"),
    *("log", "errors", "actors", "tasks", "alerts"),
)
CURVES = ("today", "history")


class Reader:
    """A fold over frames."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {name: {} for name in TABLES}
        self.curves: dict[str, list[tuple[int, float]]] = {name: [] for name in CURVES}
        self.head: Any = None
        self.frames: list[Frame] = []

    def take(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.head = frame.head if frame.head is not None else self.head
        for name in TABLES:
            self._table(self.tables[name], getattr(frame, name))
        for name in CURVES:
            self._curve(self.curves[name], getattr(frame, name))

    @staticmethod
    def _table(rows: dict[str, Any], table: Table[Any] | None) -> None:
        if table is None:
            return
        if table.whole:
            rows.clear()
        for key in table.gone:
            rows.pop(key, None)
        rows.update({row.key: row for row in table.rows})

    @staticmethod
    def _curve(points: list[tuple[int, float]], told: EquityPoints | None) -> None:
        if told is None:
            return
        if told.whole:
            points.clear()
        points += zip(told.at, told.equity, strict=True)
