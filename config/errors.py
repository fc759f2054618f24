"""What a person has to mend in the settings before the system can start."""

import difflib
from collections.abc import Iterable


class ConfigError(Exception):
    """A setting is wrong: mend it, then start again.

    Attributes:
        key: Dotted name of the setting, or "" when the whole source is at fault.
        where: Where it was given: `FILE`, `environment NAME`, `--set`, ...
        problem: What is wrong with it, with the bound or the nearest valid name.
    """

    def __init__(self, key: str, where: str, problem: str) -> None:
        self.key = key
        self.where = where
        self.problem = problem
        place = printable(f"{where}: {key}" if key and where else where or key)
        super().__init__(f"{place}: {problem}" if place else problem)


def nearest(name: str, valid: Iterable[str]) -> str:
    """Say which valid name was probably meant, or list them all when none is near."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"valid names: {', '.join(names)}"


def printable(text: str, most: int = 200) -> str:
    """Make foreign text safe to show: control characters escaped, cut at `most` characters."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:most])
    return shown if len(text) <= most else shown + "..."
