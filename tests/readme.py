"""The parts of README.md that are made from the program itself, so that they cannot go stale.

`python -m tests.readme` writes them anew between their marks; tests compare.
"""

import contextlib
import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from config.describe import field_docs, sections, toml_value
from config.schema import Settings
from tests.demo_run import demo
from tui.commands import exits
from tui.commands.main import main

REPOSITORY = Path(__file__).resolve().parents[1]
README = REPOSITORY / "README.md"
SAMPLE = Path(__file__).with_name("samples") / "sma_cross.py"
EXAMPLE = "gap_fill-20261116-2"
"""The trade of the demo that is explained."""
SHOWN = ("Sessions", "Exits", "Breakers")
"""Tables of the report that are shown."""
IMPORTANT = (
    *("account.trading_capital", "account.risk_per_trade", "account.max_positions"),
    *("account.max_position_size", "account.max_position_pct", "account.cash_buffer_pct"),
    *("account.allow_short", "breakers.daily_loss", "breakers.drawdown", "breakers.drawdown_action"),
    *("breakers.rapid_loss", "breakers.consecutive_losses", "breakers.strategy_loss"),
    *("limits.max_order_value", "limits.price_collar_frac", "regime.edges", "regime.scalars"),
    *("execution.partial_fills", "execution.volume_frac", "tapes.keep_days", "broker.mode"),
)
_MARK = "<!-- begin {0} -->\n{1}<!-- end {0} -->\n"


def _said(*words: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*words, "--root", str(demo()[0])]) == exits.OK
    return out.getvalue()


def picture() -> str:
    """A report, cut to a few tables, and one trade explained."""
    head, *tables = _said("report").rstrip().split("\n\n")
    kept = [table for table in tables if table.startswith(SHOWN)]
    report = "\n\n".join([head, *kept])
    lines = [
        f"$ python -m runtime report --root runs/demo          (cut to {len(kept)} of {len(tables)} tables)",
        report,
        "",
        f"$ python -m runtime explain {EXAMPLE} --root runs/demo",
        _said("explain", EXAMPLE).rstrip(),
    ]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def sample() -> str:
    """The sample strategy, word for word."""
    return f"```python\n{SAMPLE.read_text()}```\n"


def settings_table() -> str:
    """The most important settings, then every section."""
    words = {doc.key: doc for doc in field_docs()}
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for key in IMPORTANT:
        section, name = key.split(".")
        value = toml_value(msgspec.to_builtins(getattr(getattr(Settings(), section), name)))
        rows.append(f"| `{key}` | `{value}` | {_meaning(words[key].text)} |")
    rows += ["", "| section | what it is about |", "|---|---|"]
    rows += [f"| `{name}` | {_meaning(section.__doc__ or '')} |" for name, section in sections().items()]
    rows.append("| `strategies.NAME` | One strategy: class, allocation, most positions, parameters. |")
    return "\n".join(rows) + "\n"


def _meaning(text: str) -> str:
    return " ".join(text.split(" Source:", maxsplit=1)[0].split()).replace("|", "\\|")


def exit_codes() -> str:
    """Every exit code."""
    rows = [f"| {code} | {meaning} |" for code, meaning in exits.MEANINGS.items()]
    return "\n".join(["| code | meaning |", "|---|---|", *rows]) + "\n"


PARTS: dict[str, Callable[[], str]] = {
    "picture": picture,
    "sample": sample,
    "settings": settings_table,
    "exit codes": exit_codes,
}


def rendered(text: str) -> str:
    """The same README with every made part as the program makes it now."""
    for name, make in PARTS.items():
        text, count = re.subn(
            _MARK.format(name, "(?s:.*?)"), lambda _, n=name, m=make: _MARK.format(n, m()), text
        )
        if count != 1:
            raise ValueError(f"README.md must have the part {name!r} once, has it {count} times")
    return text


def fences(language: str, text: str) -> Iterator[str]:
    """The content of every fenced block of a language."""
    yield from re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


if __name__ == "__main__":
    README.write_text(rendered(README.read_text()))
    sys.stdout.write(f"wrote {README.name}\n")
