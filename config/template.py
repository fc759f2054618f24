"""A settings file to begin with: every setting with its meaning and default, each commented out.

As it is it changes nothing; whoever wants another value removes the `#` before it.
"""

import re

from config.defaults import render

_OPENING = """\
# Settings of this machine. Every setting is here with its default, commented out: remove the # in front of
# one and change it. What stays commented out follows the program's defaults, also those of a newer version.
# `python -m runtime config check --config THIS_FILE` says whether it can be used.
"""
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]* = ")


def template() -> str:
    """The text of the file."""
    _, _, rest = render().partition("\n\n")
    lines = [f"#{line}" if _SETTING.match(line) else line for line in rest.splitlines()]
    return _OPENING + "\n" + "\n".join(lines) + "\n"


def uncommented(text: str) -> str:
    """The same with every setting in force, as if a person had removed each `#`."""
    lines = [line[1:] if line[:1] == "#" and _SETTING.match(line[1:]) else line for line in text.splitlines()]
    return "\n".join(lines) + "\n"
