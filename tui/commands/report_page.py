"""The report as one web page that stands alone: no network, nothing fetched, every foreign word escaped.

The only script is the few lines below that sort tables; the page's own security policy allows them and its
style sheet by their hashes and nothing else, so what a broker or a strategy wrote can only ever be text.
"""

import base64
import hashlib
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from runtime.text import one_line
from tui.commands.charts import Bar, Mark, TimeAxis, picture
from tui.commands.output import new_york, percent, text
from tui.commands.report_tables import (
    BREAKERS,
    COSTS,
    DAYS,
    ERRORS,
    EXITS,
    REGIME_COLUMNS,
    SIGNALS,
    TRADES,
    Record,
    signed,
    strategy_columns,
    table,
    words,
)

MOST_TRADES = 5_000
"""Rows of the page's table of trades, the latest; `--csv` writes all."""

_HERE = Path(__file__).parent
_REGIMES = ("low", "normal", "high", "extreme")


class Facts(NamedTuple):
    """What a page is made of, as the books' readers give it.

    Attributes:
        report: `storage.readers.report`. start: equity and its peak before the first mark, None: no marks.
    """

    report: Record
    sessions: list[Record]
    equity: list[Record]
    start: tuple[float, float] | None
    trades: list[Record]
    strategy_days: list[Record]
    breakers: list[Record]
    regimes: list[Record]


def page(facts: Facts) -> str:
    """The whole page."""
    report = facts.report
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    title = f"{report['books']}, {_period(report)}"
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    body = "\n".join(section for section in _sections(facts) if section)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f'<link rel="icon" href="data:,">\n<title>{words(title)}</title>\n<style>{style}</style>\n</head>\n'
        f"<body>\n<main>\n{body}\n</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _period(report: Record) -> str:
    sessions = report["sessions"]
    if report["day"]:
        return f"session {report['day']}"
    if not sessions["sessions"]:
        return "no sessions yet"
    return f"{sessions['sessions']} sessions, {sessions['first']} to {sessions['last']}"


def _sections(facts: Facts) -> Iterable[str]:
    report = facts.report
    yield f"<header><h1>{words(report['books'])}</h1><p>{words(_period(report))}</p></header>"
    yield _tiles(facts)
    yield _picture(facts)
    yield table("Strategies", strategy_columns(facts.strategy_days), report["strategies"], note=_note(report))
    yield table("Costs", COSTS, _costs(report), note="a strategy's are those of its trades, entry and exit")
    yield table("Sessions", DAYS, report["days"])
    yield table("Exits", EXITS, report["exits"])
    yield _trades(facts.trades)
    yield table("Breakers", BREAKERS, facts.breakers)
    yield table("Regimes", REGIME_COLUMNS, _changes(facts.regimes))
    yield table("Signals and what became of them", SIGNALS, report["signals"])
    yield table("Errors", ERRORS, report["errors"])


def _note(report: Record) -> str:
    if not report["day"]:
        return ""
    return "P&L and trades are of the session; ratios since the books began, up to their last session"


def _tiles(facts: Facts) -> str:
    report = facts.report
    trades, costs, last = report["trades"], report["costs"], report["equity_last"]
    shown: list[tuple[str, object, str]] = []
    if facts.start and last:
        start, peak = facts.start
        gain = last["equity"] - start
        worst = min((_below(peak, facts.equity)), default=0.0)
        shown += [
            ("equity", f"{last['equity']:,.2f}", "USD at the end"),
            ("result", signed(gain), f"{percent(gain / start if start else None)} of {start:,.2f}"),
            ("drawdown", percent(worst), "the deepest, by the minute"),
        ]
    if report["days"]:
        day = report["days"][-1]
        shown.append(("Sharpe", text(day["sharpe_ratio"]), f"Sortino {text(day['sortino_ratio'])}, annual"))
    if trades:
        decided = trades["wins"] + trades["losses"]
        rate = percent(trades["wins"] / decided) if decided else "-"
        shown.append(
            ("trades", trades["closed"], f"{trades['wins']} won, {trades['losses']} lost, {rate} won")
        )
        shown.append(("realised", signed(float(trades["realised_pnl"])), f"{trades['open']} trades open"))
    paid = costs["commission"] + costs["slippage"]
    share = f", {paid / costs['turnover'] * 1e4:.1f} bp of turnover" if costs["turnover"] else ""
    shown.append(("costs", f"{paid:,.2f}", f"{costs['fills']} fills{share}"))
    cells = "".join(
        f"<div><dt>{words(name)}</dt><dd>{words(value)}<small>{words(more)}</small></dd></div>"
        for name, value, more in shown
    )
    return f'<dl class="tiles">{cells}</dl>'


def _below(peak: float, marks: Sequence[Record]) -> Iterable[float]:
    for mark in marks:
        peak = max(peak, mark["equity"])
        yield mark["equity"] / peak - 1.0 if peak else 0.0


def _picture(facts: Facts) -> str:
    if not facts.sessions or facts.start is None:
        return ""
    axis = TimeAxis([(each["date"], each["starts"]) for each in facts.sessions])
    start, peak = facts.start
    drawn = picture(
        [Mark(each["minute"], each["equity"]) for each in facts.equity],
        axis,
        [*_regime_bars(facts), *_breaker_bars(facts)],
        start=start,
        peak=peak,
        days=[(each["date"], _day_words(each)) for each in facts.report["days"]],
    )
    return f"<section><h2>Equity, drawdown, regime and breakers</h2>{drawn}</section>"


def _day_words(day: Record) -> str:
    return (
        f"{day['date']}: {day['equity']:,.2f} USD, {day['daily_pnl']:+,.2f} "
        f"({percent(day['daily_pnl_pct'])}), drawdown {percent(day['drawdown_pct'])}, "
        f"{day['num_positions']} positions"
    )


def _end_of(facts: Facts) -> int:
    marks = [facts.equity[-1]["minute"]] if facts.equity else []
    return int(max([*marks, facts.sessions[-1]["starts"]])) + 60_000_000_000


def _breaker_bars(facts: Facts) -> list[Bar]:
    end = _end_of(facts)
    return [
        Bar(
            lane=each["breaker_type"].replace("_", " "),
            kind=each["action"].lower(),
            begins=each["triggered_at"],
            ends=each["cleared_at"] or end,
            words=one_line(
                f"{each['breaker_type']} {each['action']} {each['target'] or 'all'}, "
                f"{new_york(each['triggered_at'])}: {each['reason']}"
            ),
        )
        for each in facts.breakers
    ]


def _regime_bars(facts: Facts) -> list[Bar]:
    changes, end = _changes(facts.regimes), _end_of(facts)
    ends = [*(each["timestamp"] for each in changes), end][1:]
    return [
        Bar(
            lane="VIX regime",
            kind=f"regime-{each['vix_regime']}",
            begins=each["timestamp"],
            ends=until,
            words=one_line(
                f"{each['vix_regime']} from {new_york(each['timestamp'])}: VIX {text(each['vix_level'])}, "
                f"sizes x {each['scalar']:g}"
            ),
        )
        for each, until in zip(changes, ends, strict=True)
        if each["vix_regime"] in _REGIMES
    ]


def _changes(regimes: Sequence[Record]) -> list[Record]:
    """The first of each run of equal regimes."""
    return [next(group) for _, group in itertools.groupby(regimes, key=lambda each: each["vix_regime"])]


def _trades(trades: Sequence[Record]) -> str:
    shown = list(trades[-MOST_TRADES:])
    left = len(trades) - len(shown)
    note = f"the latest {len(shown):,}; {left:,} earlier ones are in the CSV" if left else ""
    return table("Trades", TRADES, shown, note=note)


def _costs(report: Record) -> list[Record]:
    rows: list[Record] = [each for each in report["strategies"] if each["commission"] or each["slippage"]]
    if rows:
        costs = report["costs"]
        rows.append({"strategy": "all fills", "realised_pnl": report["trades"]["realised_pnl"], **costs})
    return rows
