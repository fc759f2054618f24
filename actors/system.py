"""The composition root: which actors there are, in which order one input flows through them."""

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from actors import breaker, ensemble, executor, phase_clock, portfolio, regime, simulated_broker
from actors.allocation.slots import Claim, quotas
from actors.execution.fill_model import LiquidityClass, liquidity_of
from actors.execution.split_watch import DayFacts
from actors.market.indicators import realised_vol, returns
from actors.strategies.base import Strategy
from actors.strategies.host_rules import HostRules
from actors.strategies.parameters import ParameterError
from actors.strategy import StrategyActor, StrategyCarried
from config.errors import ConfigError
from config.schema import Execution, Settings
from config.strategies import StrategySettings
from runtime.kernel.actor import Actor
from runtime.kernel.cell import ActorSpec, Gather
from runtime.messages.reports import reported
from runtime.messages.session import SessionHeader

Panels = Mapping[str, NDArray[Any]]

BUILT = {
    "mean_reversion": "actors.strategies.mean_reversion:MeanReversionStrategy",
    "relative_volume_breakout": "actors.strategies.relative_volume_breakout:RelativeVolumeBreakout",
    "gap_fill": "actors.strategies.gap_fill:GapFillStrategy",
}
"""Strategies that come with the system; the others of the seed's table are INACTIVE(NOT_BUILT)."""

NOT_BUILT = "NOT_BUILT"
START_FAILED = "START_FAILED"
VOLATILITY_DAYS = 20
_SAID_AT_LEAST = 1_000
"""Messages a strategy may answer one message with, whatever the number of symbols; more is a crash."""
_FIRST_STRATEGY = 100


class Intensity(NamedTuple):
    """Crashes within `period` ns, and in one session, after which an actor is given up."""

    crashes: int
    period: int
    a_session: int


def strategy_class(settings: StrategySettings) -> type[Strategy] | None:
    """The class behind a strategy's settings; None if the system has none of that name.

    Raises:
        ConfigError: The module or class named in the settings cannot be imported or is no strategy.
    """
    path = settings.class_path or BUILT.get(settings.name, "")
    if not path:
        return None
    key = f"strategies.{settings.name}.class"
    module_name, _, class_name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(key, "settings", f"{path!r} cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise ConfigError(key, "settings", f"{path!r} is no subclass of actors.strategies.base.Strategy")
    return found


def build(settings: Settings, header: SessionHeader, panels: Panels, *, simulated: bool) -> list[ActorSpec]:
    """Every decision actor of one session, and the simulated broker if there is no real one.

    Args:
        panels: History by name, read-only (`storage.loaders` says which there are).

    Raises:
        ConfigError: A strategy's class or parameters are wrong.
    """
    supervision = settings.supervision
    intensity = Intensity(
        supervision.max_restarts,
        round(supervision.restart_period_s * 1e9),
        supervision.max_crashes_a_session,
    )
    idle: dict[str, str] = {}
    built: list[tuple[int, StrategySettings, type[Strategy]]] = []
    active: list[Claim] = []
    for place, chosen in enumerate(s for s in settings.strategies if s.enabled):
        found = strategy_class(chosen)
        if found is None:
            idle[chosen.name] = NOT_BUILT
            continue
        try:
            found.parameters(chosen.params)
        except ParameterError as error:  # refused now, not in the middle of the day
            raise ConfigError(f"strategies.{chosen.name}.params", "settings", str(error)) from error
        # One that cannot start keeps its place too: its restart is the machine's business, and so is what
        # it carries.
        built.append((place, chosen, found))
        readiness = _readiness(_host(found, chosen, settings, header, panels))
        if readiness == START_FAILED:
            idle[chosen.name] = START_FAILED
        elif readiness != "INACTIVE" and chosen.allocation > 0:
            active.append(
                Claim(
                    chosen.name,
                    chosen.allocation,
                    chosen.max_positions,
                    chosen.intraday,
                    chosen.min_slots,
                )
            )
    shares = quotas(settings.account.max_positions, tuple(active))
    hosts = [
        ActorSpec(
            name=chosen.name,
            rank=_FIRST_STRATEGY + place,
            build=_host(found, chosen, settings, header, panels, shares.get(chosen.name, 0)),
            private=True,
            expendable=True,
            intensity=intensity.crashes,
            period=intensity.period,
            most_crashes=intensity.a_session,
            most_said=max(_SAID_AT_LEAST, 2 * len(header.symbols)),
        )
        for place, chosen, found in built
    ]
    adv = average_dollar_volume(panels.get("daily"), len(header.symbols), settings.account.adv_days)
    sigma = recent_volatility(panels.get("daily"), len(header.symbols))
    # not by `simulated` alone: a demo's tape is verified without its broker, whose words are on it
    asks_broker = header.origin == "live" and not simulated
    specs = [
        _spec(
            "phase_clock",
            10,
            phase_clock.Carried,
            lambda c: phase_clock.PhaseClock(header, c, asks_broker=asks_broker),
            intensity,
        ),
        _spec(
            "portfolio",
            20,
            portfolio.Carried,
            lambda c: portfolio.Portfolio(settings.account, settings.strategies, header, c),
            intensity,
        ),
        _spec(
            "breaker",
            30,
            breaker.Carried,
            lambda c: breaker.Breaker(
                settings.breakers,
                settings.limits,
                settings.strategies,
                header=header,
                panels=panels,
                carried=c,
            ),
            intensity,
        ),
        _spec(
            "regime",
            40,
            regime.Carried,
            lambda c: regime.RegimeDetector(settings.regime, header, panels, c),
            intensity,
        ),
        *hosts,
        _spec(
            "ensemble",
            500,
            ensemble.Carried,
            lambda c: ensemble.Ensemble(settings, header, adv, sigma, idle, c),
            intensity,
        ),
        _spec(
            "executor",
            600,
            executor.ExecutorCarried,
            lambda c: executor.Executor(
                settings.orders,
                c,
                halt_rest=host_rules(settings).halt_rest,
                cancel_protective=settings.kill_switch.cancel_protective,
                reconciles=not simulated and header.books.startswith(("paper:", "live:")),
                day=day_facts(settings, header, panels),
            ),
            intensity,
        ),
    ]
    if simulated:
        liquidity = liquidity_classes(header.symbols, adv, settings.execution)
        closes = previous_closes(panels, len(header.symbols))
        specs.append(
            _spec(
                "simulated_broker",
                0,
                simulated_broker.BrokerCarried,
                lambda c: simulated_broker.SimulatedBroker(
                    header=header,
                    costs=settings.execution,
                    cash=settings.account.trading_capital,
                    liquidity=liquidity,
                    previous_close=closes,
                    carried=c,
                ),
                intensity,
                gather=reported,
            )
        )
    return specs


def host_rules(settings: Settings) -> HostRules:
    """What the settings say of every strategy's host."""
    data, ensemble_rules = settings.data, settings.ensemble
    return HostRules(
        intraday_life=_minutes(ensemble_rules.intraday_expiry_min),
        opening_life=_minutes(ensemble_rules.daily_expiry_min),
        cooldown_sessions=ensemble_rules.cooldown_sessions,
        require_exits=settings.limits.require_exits,
        min_stop_ticks=ensemble_rules.min_stop_ticks,
        min_stop_frac=ensemble_rules.min_stop_bps / 10_000,
        lookback_coverage=data.lookback_coverage,
        universe_coverage=data.universe_coverage,
        feed_silence=round(data.feed_watchdog_s * 1e9),
        benchmark_silence=_minutes(data.spy_watchdog_min),
        halt_silence=_minutes(data.halt_no_bar_min),
        halt_rest=_minutes(data.halt_resume_min),
        odd_move_tolerance=data.odd_move_tolerance,
    )


def _minutes(count: float) -> int:
    return round(count * 60e9)


def average_dollar_volume(daily: NDArray[np.float64] | None, symbols: int, days: int) -> NDArray[np.float64]:
    """(S,) mean of close times volume over the last `days` sessions, USD; NaN where there is no history.

    Args:
        daily: (6, S, D) panel of open, high, low, close, volume, adjusted close, or None.
    """
    adv = np.full(symbols, np.nan)
    if daily is None or daily.shape[2] == 0:
        return adv
    dollars = daily[3, :, -days:] * daily[4, :, -days:]
    for place, row in enumerate(dollars.tolist()):
        known = [value for value in row if not math.isnan(value)]
        if known:
            adv[place] = math.fsum(known) / len(known)
    return adv


def recent_volatility(daily: NDArray[np.float64] | None, symbols: int) -> NDArray[np.float64]:
    """(S,) annual volatility of the last 20 daily returns, a fraction; NaN where a close is missing."""
    if daily is None or daily.shape[2] <= VOLATILITY_DAYS:
        return np.full(symbols, np.nan)
    sigma: NDArray[np.float64] = realised_vol(returns(daily[5, :, -VOLATILITY_DAYS - 1 :]), VOLATILITY_DAYS)
    return sigma


def liquidity_classes(
    symbols: Sequence[str], adv: NDArray[np.float64], costs: Execution
) -> list[LiquidityClass]:
    """What each symbol is charged as; one without history counts as small."""
    pairs = zip(symbols, adv.tolist(), strict=True)
    return [liquidity_of(costs, symbol, traded) for symbol, traded in pairs]


def previous_closes(panels: Panels, symbols: int) -> NDArray[np.float64]:
    """(S,) last known close in today's raw units, USD; NaN where unknown."""
    daily, ratio = panels.get("daily"), panels.get("price_ratio")
    if daily is None or ratio is None or daily.shape[2] == 0:
        return np.full(symbols, np.nan)
    closes: NDArray[np.float64] = daily[3, :, -1] * ratio
    return closes


def day_facts(settings: Settings, header: SessionHeader, panels: Panels) -> DayFacts:
    """What the executor must know of a session to see a split."""
    ids = {symbol: at for at, symbol in enumerate(header.symbols)}
    closes = previous_closes(panels, len(ids))

    def previous_close(symbol: str) -> float:
        return closes.item(ids[symbol]) if symbol in ids else math.nan

    return DayFacts(header.session, header.open, ids, previous_close, settings.data.split_tolerance)


def _readiness(make: Callable[[bytes | None], StrategyActor]) -> str:
    """What a strategy reports at the session's start; START_FAILED if it raises instead."""
    try:
        return make(None).readiness
    except (Exception, SystemExit):  # noqa: BLE001 - a strategy's failure is told by the machine that builds it for the day
        return START_FAILED


def _spec(
    name: str,
    rank: int,
    carried: type[msgspec.Struct],
    make: Callable[[Any], Actor],
    intensity: Intensity,
    *,
    gather: Gather | None = None,
) -> ActorSpec:
    decoder = msgspec.msgpack.Decoder(carried)

    def build_one(raw: bytes | None) -> Actor:
        return make(decoder.decode(raw) if raw is not None else None)

    return ActorSpec(
        name=name,
        rank=rank,
        build=build_one,
        port=gather is not None,
        gather=gather,
        intensity=intensity.crashes,
        period=intensity.period,
        most_crashes=intensity.a_session,
    )


def _host(
    kind: type[Strategy],
    chosen: StrategySettings,
    settings: Settings,
    header: SessionHeader,
    panels: Panels,
    quota: int | None = None,
) -> Callable[[bytes | None], StrategyActor]:
    decoder = msgspec.msgpack.Decoder(StrategyCarried)
    rules = host_rules(settings)

    def build_one(raw: bytes | None) -> StrategyActor:
        return StrategyActor(
            kind,
            chosen,
            header,
            panels,
            decoder.decode(raw) if raw is not None else None,
            allow_short=settings.account.allow_short,
            rules=rules,
            quota=quota,
        )

    return build_one
