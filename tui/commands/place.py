"""Which root is meant. Only the standard library: `halt` needs it."""

import argparse
import os
from pathlib import Path


def default_root() -> Path:
    """TRADING_SYSTEM_ROOT, or the checkout."""
    named = os.environ.get("TRADING_SYSTEM_ROOT", "").strip()
    return Path(named) if named else Path(__file__).resolve().parents[2]


def folder(text: str) -> Path:
    """A folder named on the command line; an empty name is a variable that was not set."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return Path(text)


def add_root(parser: argparse.ArgumentParser) -> None:
    """`--root` of a command that acts on a root whether it has books or not."""
    parser.add_argument(
        "--root", type=folder, help="whose engine (default: TRADING_SYSTEM_ROOT, or the checkout)"
    )


def root_of(arguments: argparse.Namespace) -> Path:
    """The root asked for, or the default one."""
    return Path(arguments.root) if arguments.root is not None else default_root()
