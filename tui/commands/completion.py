"""`completion`: a script that completes the words of this program in a shell.

shtab writes it from the parsers themselves, so it cannot differ from them. The script is for the program's
short name, `runtime`, which the installation puts beside Python; a shell cannot complete what follows
`python -m`.

Exit codes: 0 printed.
"""

import argparse
from pathlib import Path
from typing import Any

from tui.commands import exits
from tui.commands.parser import leaves
from tui.commands.place import folder

NAME = "runtime"
SHELLS = ("bash", "zsh")


def add(subparsers: Any) -> None:
    """Register `completion`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "completion",
        help="print a completion script for a shell",
        description=f"Prints a completion script for the command `{NAME}`, which is `python -m runtime` "
        f'installed: put `eval "$(runtime completion bash)"` into ~/.bashrc, or write that of zsh to a file '
        f"`_{NAME}` in a folder of its $fpath.",
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash or zsh")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    parser = arguments.whole(prog=NAME)
    for command in leaves(parser):
        for action in command._actions:
            if action.type is folder:
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
            elif action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, shell=arguments.shell), end="")
    return exits.OK
