"""What happens on each day of the demo's market: gaps, crashes, stocks in play, a halt, the VIX.

Returns are fractions of the previous close; minutes count from the open. Days are real trading days of the
calendar, one of them with an early close; everything that happens on them is made up.
"""

import msgspec


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One scripted session.

    Attributes:
        knots: (minute, the market's return since the previous close) from the open at minute 0; straight in
            between, and from the last knot on to the close.
        noise: Standard deviation of the market's detours over the day.
        vix: The VIX close.
        runs: Stocks that break out of their opening range and go on to ten times the risk.
        fails: Stocks that break out and fall back.
        pushed: Residual of a stock at the close, in standard deviations of its own; others wander.
        halted: (stock, first minute, first minute after the halt).
    """

    session: str
    knots: tuple[tuple[int, float], ...]
    noise: float
    vix: float
    runs: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    pushed: dict[str, float] = {}
    halted: tuple[tuple[str, int, int], ...] = ()


SECTORS: dict[str, str] = {
    "XLE": "OIL",
    "XLF": "FIN",
    "XLI": "MFG",
    "XLK": "TEK",
    "XLP": "FUD",
    "XLU": "PWR",
    "XLV": "MED",
    "XLY": "SHP",
}
"""Sector ETF to the first letters of its stocks' made-up names."""
INDEX_FUNDS: dict[str, float] = {"SPY": 1.0, "QQQ": 1.15, "IWM": 1.1, "DIA": 0.95}
"""Index fund to its share in the market's moves."""
LETTERS = "ABCDE"
"""Stocks of a sector: A and B are liquid, C is thin, D and E get into play."""

_CHEAP = {"FINA": -2.3, "TEKA": -2.1, "MFGA": -2.2, "OILC": -2.0, "SHPA": -2.2, "MEDA": -2.0, "FUDC": -2.1}
_STILL = {name: level + 0.1 for name, level in _CHEAP.items()}
_DEEP = {"FINB": -3.0, "TEKB": -2.9, "PWRC": -2.8, "SHPB": -3.0, "MFGC": -2.9}
_BETTER = dict.fromkeys(_DEEP, -0.9)
_HEALED = dict.fromkeys(_DEEP, 0.6)

DAYS: tuple[Day, ...] = (
    Day(
        session="2026-11-16",
        knots=((0, -0.0030), (35, -0.0002), (200, 0.0010), (390, 0.0020)),
        noise=0.0010,
        vix=13.4,
        fails=("TEKD", "FIND", "MEDD", "SHPD", "OILD"),
        pushed=_CHEAP,
    ),
    Day(
        session="2026-11-17",
        knots=((0, -0.0035), (40, 0.0002), (250, 0.0015), (390, 0.0025)),
        noise=0.0010,
        vix=14.1,
        runs=("MFGD",),
        fails=("TEKE", "FINE", "MEDE", "SHPE"),
        pushed=_STILL,
    ),
    Day(
        session="2026-11-18",
        knots=((0, -0.0040), (90, -0.0135), (240, -0.0120), (390, -0.0100)),
        noise=0.0015,
        vix=19.2,
        runs=("OILE",),
        fails=("TEKD", "FUDD", "PWRD", "FIND"),
        pushed=_STILL,
        halted=(("MEDB", 120, 135),),
    ),
    Day(
        session="2026-11-19",
        knots=((0, -0.0020), (60, -0.0040), (270, -0.0050), (282, -0.0520), (330, -0.0200), (390, -0.0180)),
        noise=0.0020,
        vix=27.8,
        runs=("FUDE",),
        fails=("SHPD", "MEDD", "TEKE", "FINE"),
        pushed=_STILL,
    ),
    Day(
        session="2026-11-20",
        knots=((0, -0.0980), (30, -0.1080), (120, -0.1280), (300, -0.1180), (390, -0.1120)),
        noise=0.0040,
        vix=42.6,
        fails=("OILD", "PWRD", "MFGE", "TEKD"),
        pushed=_DEEP,
    ),
    Day(
        session="2026-11-23",
        knots=((0, 0.0120), (60, 0.0060), (200, 0.0380), (390, 0.0560)),
        noise=0.0040,
        vix=36.4,
        runs=("PWRE", "FUDD"),
        fails=("SHPE", "MEDE", "FIND"),
        pushed=_DEEP,
    ),
    Day(
        session="2026-11-24",
        knots=((0, 0.0040), (120, 0.0120), (390, 0.0180)),
        noise=0.0025,
        vix=31.0,
        runs=("TEKE",),
        fails=("MFGD", "OILE", "FINE", "SHPD"),
        pushed=_BETTER,
    ),
    Day(
        session="2026-11-25",
        knots=((0, -0.0040), (50, 0.0005), (390, 0.0060)),
        noise=0.0015,
        vix=23.6,
        runs=("MEDD", "OILD"),
        fails=("TEKD", "FUDE", "PWRD"),
        pushed=_HEALED,
    ),
    Day(
        session="2026-11-27",
        knots=((0, -0.0025), (45, 0.0000), (210, 0.0030)),
        noise=0.0010,
        vix=20.9,
        runs=("SHPE",),
        fails=("MFGE", "FINE", "MEDE", "TEKE"),
    ),
    Day(
        session="2026-11-30",
        knots=((0, -0.0030), (60, -0.0020), (390, 0.0015)),
        noise=0.0010,
        vix=17.2,
        runs=("FIND",),
        fails=("OILE", "TEKD", "FUDD", "SHPD"),
    ),
)
