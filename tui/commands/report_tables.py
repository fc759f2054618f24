"""Tables of the report's page: their columns, how a cell looks, by what it sorts; foreign words escaped."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple

from runtime.text import one_line
from tui.commands.charts import sparkline
from tui.commands.output import new_york, percent, text

Record = dict[str, Any]


class Html(str):
    """Text that is markup already and not escaped again."""

    __slots__ = ()


class Column(NamedTuple):
    """A column of a table: its title, what to show of a row, and by what to sort; a long one is wrapped."""

    title: str
    show: Callable[[Record], object]
    key: Callable[[Record], object] | None = None
    is_number: bool = False
    is_long: bool = False


def words(value: object) -> str:
    """Foreign text as text: no control characters, no markup."""
    return str(value) if isinstance(value, Html) else escape(one_line(text(value), 500))


def table(title: str, columns: Sequence[Column], rows: Sequence[Record], *, note: str = "") -> str:
    """A titled table; nothing for no rows."""
    if not rows:
        return ""
    head = "".join(
        f'<th scope="col"{_class(column)}><button type="button">{words(column.title)}</button></th>'
        for column in columns
    )
    lines = "".join(f"<tr>{''.join(_cell(column, row) for column in columns)}</tr>\n" for row in rows)
    said = f"<p>{words(note)}</p>" if note else ""
    return (
        f'<section><h2>{words(title)}</h2>{said}<div class="wide"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{lines}</tbody></table></div></section>"
    )


def _class(column: Column) -> str:
    kind = "number" if column.is_number else "long" if column.is_long else ""
    return f' class="{kind}"' if kind else ""


def _cell(column: Column, row: Record) -> str:
    key = column.key(row) if column.key is not None else None
    by = f' data-key="{words(repr(key) if isinstance(key, float) else str(key))}"' if key is not None else ""
    return f"<td{_class(column)}{by}>{words(column.show(row))}</td>"


def signed(value: float | None) -> Html | str:
    """Money with a sign in words, glyph and colour."""
    if value is None:
        return "-"
    kind, glyph = ("up", "\u25b2") if value > 0 else ("down", "\u25bc") if value < 0 else ("flat", "")
    return Html(f'<span class="{kind}">{glyph}{value:+,.2f}</span>' if value else "0.00")


def _field(name: str) -> Callable[[Record], Any]:
    return lambda row: row.get(name)


def _plain(title: str, name: str) -> Column:
    return Column(title, _field(name))


def _number(title: str, name: str) -> Column:
    return Column(title, _field(name), _field(name), True)


def _share(title: str, name: str) -> Column:
    return Column(title, lambda row: percent(row.get(name)), _field(name), True)


def _money(title: str, name: str) -> Column:
    return Column(title, lambda row: signed(row.get(name)), _field(name), True)


def _time(title: str, name: str) -> Column:
    return Column(title, lambda row: new_york(row.get(name)), _field(name))


def strategy_columns(days: Sequence[Record]) -> tuple[Column, ...]:
    """Columns of the strategies' table, with the latest daily metrics and a curve of what was realised."""
    latest: dict[str, Record] = {each["strategy"]: each for each in days}
    results: dict[str, list[float]] = defaultdict(lambda: [0.0])
    for each in days:
        results[each["strategy"]].append(results[each["strategy"]][-1] + each["net_pnl"])

    def of_day(name: str) -> Callable[[Record], Any]:
        return lambda row: latest.get(row["strategy"], {}).get(name)

    def ratio(title: str, name: str) -> Column:
        return Column(title, of_day(name), of_day(name), True)

    return (
        _plain("strategy", "strategy"),
        Column("realised", lambda row: Html(sparkline(results.get(row["strategy"], [])))),
        _money("P&L", "realised_pnl"),
        _number("closed", "closed"),
        _number("open", "open"),
        _number("won", "wins"),
        _number("lost", "losses"),
        _share("win rate", "win_rate"),
        Column("30 days", lambda row: percent(of_day("win_rate_30d")(row)), of_day("win_rate_30d"), True),
        ratio("average win", "avg_win"),
        ratio("average loss", "avg_loss"),
        _number("profit factor", "profit_factor"),
        _number("Sharpe", "sharpe_ratio"),
        ratio("20 days", "sharpe_20d"),
        ratio("60 days", "sharpe_60d"),
        _number("Sortino", "sortino_ratio"),
        _share("deepest drawdown", "max_drawdown"),
    )


def _cost_share(row: Record) -> float | None:
    turnover = row.get("turnover")
    return (row["commission"] + row["slippage"]) / turnover * 1e4 if turnover else None


COSTS = (
    _plain("strategy", "strategy"),
    _number("commission", "commission"),
    _number("slippage", "slippage"),
    Column(
        "together", lambda r: r["commission"] + r["slippage"], lambda r: r["commission"] + r["slippage"], True
    ),
    _money("realised, after commission", "realised_pnl"),
    _number("turnover", "turnover"),
    Column("bp of turnover", _cost_share, _cost_share, True),
)
DAYS = (
    _plain("date", "date"),
    _number("equity", "equity"),
    _money("day", "daily_pnl"),
    _share("day %", "daily_pnl_pct"),
    _share("drawdown", "drawdown_pct"),
    _number("positions", "num_positions"),
    _share("exposure", "exposure_pct"),
    _number("Sharpe", "sharpe_ratio"),
    _number("Sortino", "sortino_ratio"),
)
EXITS = (
    Column("reason", lambda row: row["exit_reason"] or "-"),
    _number("trades", "trades"),
    _money("P&L", "pnl"),
)
TRADES = (
    _time("entered", "entry_timestamp"),
    _plain("symbol", "symbol"),
    _plain("side", "side"),
    _plain("strategy", "strategy"),
    _number("shares", "quantity"),
    _number("entry", "entry_price"),
    _number("exit", "exit_price"),
    _time("left", "exit_timestamp"),
    Column("why", lambda row: row["exit_reason"] or ("open" if row["status"] == "OPEN" else "-")),
    _money("P&L", "pnl"),
    _share("%", "pnl_percent"),
    _number("commission", "commission"),
    _number("slippage", "slippage"),
    _plain("trade", "id"),
)
BREAKERS = (
    _plain("breaker", "breaker_type"),
    _plain("action", "action"),
    Column("on", lambda row: row["target"] or "all"),
    _time("from", "triggered_at"),
    Column(
        "to", lambda row: "acting" if row["is_active"] else new_york(row["cleared_at"]), _field("cleared_at")
    ),
    _number("measured", "value"),
    _number("limit", "limit_value"),
    Column("why", _field("reason"), is_long=True),
    _plain("cleared", "cleared_reason"),
)
REGIME_COLUMNS = (
    _time("from", "timestamp"),
    _plain("VIX regime", "vix_regime"),
    _number("VIX", "vix_level"),
    _number("sizes x", "scalar"),
    _plain("slow regime", "slow_regime"),
    _plain("what was done", "action_taken"),
)
SIGNALS = (
    _plain("strategy", "strategy"),
    _plain("status", "status"),
    Column("reason", lambda row: row["reason"] or "-"),
    _number("signals", "signals"),
)
ERRORS = (
    _plain("level", "level"),
    _plain("component", "component"),
    _number("different", "rows"),
    _number("times", "occurrences"),
)
