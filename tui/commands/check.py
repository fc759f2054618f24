"""`check`: everything that should be in order before the engine trades, one line each.

Nothing is changed, here or at the broker. Keys are never shown.

Exit codes: 0 nothing FAILs; 4 something does.
"""

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands import exits
from tui.commands.config import add_settings_arguments
from tui.commands.place import add_root, default_root

if TYPE_CHECKING:
    from tui.commands.checklist import Line

SCHEMA = 1


def add(subparsers: Any) -> None:
    """Register `check`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "check",
        help="see that all is in order before trading",
        description="Goes through the list of what should be in order before the engine trades.",
    )
    add_settings_arguments(parser)
    add_root(parser)
    parser.add_argument("--live", action="store_true", help="check a start with real money")
    parser.add_argument("--offline", action="store_true", help="do not ask the broker")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    lines = _lines(arguments)
    failed = any(line.verdict == "FAIL" for line in lines)
    if arguments.json:
        import msgspec

        rows = [msgspec.to_builtins(line) for line in lines]
        print(json.dumps({"schema": SCHEMA, "ok": not failed, "checks": rows}))
    else:
        _show(lines)
    return exits.UNHEALTHY if failed else exits.OK


def _lines(arguments: argparse.Namespace) -> "list[Line]":
    from config.errors import ConfigError
    from config.load import load
    from config.secrets import ENV_FILE, with_env_file
    from runtime.kernel.clock import LiveClock
    from tui.commands.checklist import Line, Start, local_lines, root_lines

    clock, lines = LiveClock(), []
    root = Path(arguments.root) if arguments.root is not None else default_root()
    environ = dict(os.environ)
    try:
        environ = with_env_file(environ, root / ENV_FILE)
    except ConfigError as error:
        lines.append(Line(ENV_FILE, "FAIL", str(error), "its keys are not used until it is mended"))
    try:
        loaded = load(arguments.config, environ=environ, overrides=arguments.overrides)
    except ConfigError as error:
        lines.append(Line("settings", "FAIL", str(error), "`config show` names where each value comes from"))
        return [*lines, *root_lines(root)]
    if arguments.root is None and loaded.settings.paths.root:
        root = Path(loaded.settings.paths.root)
    start = Start(root=root, loaded=loaded, environ=environ, live=arguments.live, now=clock.now())
    lines += local_lines(start)
    if arguments.offline:
        lines.append(Line("broker", "SKIP", "account, clock, calendar and data plan: not asked (--offline)"))
        return lines
    from tui.commands.broker_checklist import broker_lines

    return lines + broker_lines(start, clock)


def _show(lines: "list[Line]") -> None:
    from runtime.text import one_line

    width = max(len(line.name) for line in lines)
    for line in lines:
        fix = f"  -> {one_line(line.fix)}" if line.fix else ""
        print(f"{line.verdict}  {line.name:<{width}}  {one_line(line.words)}{fix}")
