"""Which sector ETF stands for a stock: GICS sectors of index constituents, from CSV."""

import csv
from pathlib import Path

import msgspec

from runtime.errors import DataError
from storage.loaders.quarantine import BAD_SYMBOL, Refusals, is_symbol

GICS: dict[str, str] = {
    "Materials": "XLB",
    "Communication Services": "XLC",
    "Energy": "XLE",
    "Financials": "XLF",
    "Industrials": "XLI",
    "Information Technology": "XLK",
    "Telecommunication Services": "XLK",  # until 2018-09 the fund held both sectors
    "Consumer Staples": "XLP",
    "Real Estate": "XLRE",
    "Utilities": "XLU",
    "Health Care": "XLV",
    "Consumer Discretionary": "XLY",
}
"""GICS sector to the ETF that holds it."""
SECTOR_ETFS: tuple[str, ...] = tuple(sorted(set(GICS.values())))
BENCHMARKS: tuple[str, ...] = ("SPY",)
"""What every symbol table holds if the daily files know it, beside the sector ETFs."""
NO_SECTOR = "not a GICS sector"
_SECTOR_COLUMNS = ("GICS Sector", "Sector")


class Sectors(msgspec.Struct, kw_only=True):
    """Sector ETF by symbol. An ETF is never a member: it has no sector of its own."""

    etf: dict[str, str]
    refusals: Refusals


def load_sectors(path: Path) -> Sectors:
    """Read constituents with their GICS sector.

    Args:
        path: CSV with `Symbol` and `Sector` (or `GICS Sector`).

    Raises:
        DataError: No such file, not UTF-8 text, or a column is missing.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    found = Sectors(etf={}, refusals=Refusals(path.name))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            _read(path, csv.DictReader(file), found)
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise DataError(f"{path}: not a readable CSV file ({error})") from None
    return found


def _read(path: Path, reader: "csv.DictReader[str]", found: Sectors) -> None:
    have = list(reader.fieldnames or [])
    sector_column = next((name for name in _SECTOR_COLUMNS if name in have), None)
    missing = [name for name, there in (("Symbol", "Symbol" in have), ("Sector", sector_column)) if not there]
    if missing or sector_column is None:
        named = ", ".join(repr(name) for name in missing)
        raise DataError(
            f"{path}: column {named} missing (it has {', '.join(have)}); "
            "a sector file has Symbol and Sector (or GICS Sector)"
        )
    for row in reader:
        symbol, sector = (row["Symbol"] or "").strip(), (row[sector_column] or "").strip()
        if not is_symbol(symbol):
            found.refusals.add(BAD_SYMBOL, 0, repr(symbol))
        elif sector not in GICS:
            found.refusals.add(NO_SECTOR, 0, f"{symbol} {sector!r}")
        elif symbol not in SECTOR_ETFS:
            found.etf.setdefault(symbol, GICS[sector])
