"""The command line as a shell sees it: exit codes, broken pipes, plain output, quick starts."""

import os
import pty
import re
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from runtime.errors import BooksRefused, DataError
from storage.lock import RootBusy
from tests.demo_run import demo, tapes
from tui.commands import exits, trade
from tui.commands.main import COMMANDS, MODULES, main

REPOSITORY = Path(__file__).resolve().parents[3]
PROGRAM = [sys.executable, "-m", "runtime"]
Captured = pytest.CaptureFixture[str]


def environment(**more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "HOME")}
    return {**plain, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm-256color", **more}


def shell(line: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of shell in which `$runtime` is the program."""
    runtime = " ".join(PROGRAM)
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"], env=environment(runtime=runtime, **more),
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip


def on_terminal(words: list[str], **more: str) -> tuple[int, bytes]:
    """(exit code, everything written) of a run on a terminal of its own."""
    leader, follower = pty.openpty()
    process = subprocess.Popen([*PROGRAM, *words], env=environment(**more), stdout=follower, stderr=follower)
    os.close(follower)
    written = b""
    with process:
        while True:
            try:
                piece = os.read(leader, 65_536)
            except OSError:  # Linux says so when the last writer has gone
                break
            if not piece:
                break
            written += piece
    os.close(leader)
    return process.returncode, written


# ---- no command, wrong command ----------------------------------------------------------------


def test_without_keys_the_demo_is_named(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALPACA_API_KEY", "ALPACA_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert main([]) == exits.AUTH
    shown = capsys.readouterr().err
    assert shown.startswith("no broker keys: ALPACA_API_KEY and ALPACA_SECRET_KEY are not set")
    assert "python -m runtime demo" in shown
    monkeypatch.setenv("ALPACA_API_KEY", "PK-secret-looking")
    assert main([]) == exits.AUTH
    shown = capsys.readouterr().err
    assert shown.startswith("no broker keys: ALPACA_SECRET_KEY is not set")
    assert "PK-secret-looking" not in shown


def test_with_keys_it_asks_the_broker_and_says_when_it_does_not_answer(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALPACA_API_KEY", "PK-secret-looking")
    monkeypatch.setenv("ALPACA_SECRET_KEY", "secret-looking-too")
    monkeypatch.setenv("TRADING_SYSTEM_ROOT", str(tmp_path))
    monkeypatch.setattr(trade, "_FIRST_WAIT", 1_000_000)  # of all its tries, as many as ever
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ALPACA_TRADING_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert main([]) == main(["--headless"]) == exits.FAILED
    shown = capsys.readouterr()
    assert "error: " in shown.err
    assert "secret-looking" not in shown.out + shown.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["dem"], "demo"),
        (["reply", "x"], "replay"),
        (["tape", "inof", "x"], "info"),
        (["config", "chek"], "check"),
    ],
)
def test_a_mistyped_command_names_the_one_meant(words: list[str], meant: str, capsys: Captured) -> None:
    assert main(words) == exits.USAGE
    assert f"did you mean '{meant}'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [[], *([name] for name in COMMANDS), ["tape", "import"], ["tape", "prune"]]
)
def test_every_command_has_help(command: list[str], capsys: Captured) -> None:
    assert main([*command, "--help"]) == exits.OK
    assert capsys.readouterr().out.startswith("usage: python -m runtime")


# ---- exit codes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            FileNotFoundError(2, "No such file or directory", "/a"),
            exits.DATA,
            "/a: No such file or directory",
        ),
        (OSError(28, "No space left on device"), exits.DATA, "No space left on device"),
        (DataError("two\nlines"), exits.DATA, "two\\nlines"),
        (BooksRefused("theirs"), exits.DATA, "theirs"),
        (RootBusy(Path("/r"), ""), exits.RUNNING, "another process is at work in /r"),
        (exits.WrongUse("so not"), exits.USAGE, "so not"),
        (DataError(), exits.DATA, "DataError"),
        (KeyError("a bug"), None, "'a bug'"),
    ],
)
def test_an_error_has_one_code_and_one_line(error: Exception, code: int | None, words: str) -> None:
    assert exits.code_of(error) == code
    assert exits.words_of(error).startswith(words)
    assert "\n" not in exits.words_of(error)


@pytest.mark.parametrize("name", [*COMMANDS, "tape_import"])
def test_a_commands_documented_exit_codes_are_those_of_the_table(name: str) -> None:
    said = import_module(f"tui.commands.{MODULES.get(name, name)}").__doc__ or ""
    assert "Exit codes: " in said, name
    codes = [int(code) for code in re.findall(r"(?:^|; |, )(\d+) ", said.split("Exit codes: ")[1])]
    assert codes
    assert set(codes) <= set(exits.MEANINGS)


# ---- pipes and terminals ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "$runtime report --root {root} | head -1",
        "$runtime --help | head -1",
        "$runtime status --root {root} 2>&1 | true",
    ],
)
def test_a_reader_that_goes_away_is_no_error(line: str) -> None:
    done = shell(line.format(root=demo()[0]))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_closed_output_is_no_crash() -> None:
    for line in ("$runtime status --root {root} >&-", "$runtime explain none --root {root} 2>&- >&-"):
        done = shell(line.format(root=demo()[0]))
        assert done.returncode in (exits.OK, exits.FAILED)
        assert "Traceback" not in done.stderr


def test_a_full_disk_behind_the_output_is_told() -> None:
    done = shell(f"$runtime report --root {demo()[0]} > /dev/full")
    assert done.returncode == exits.FAILED
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


def test_a_terminal_that_knows_only_ascii_is_no_crash(tmp_path: Path) -> None:
    done = shell(f"$runtime explain 'señal' --root {demo()[0]}", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == exits.FAILED
    assert "se\\xf1al" in done.stderr


@pytest.mark.parametrize(
    "command", ["status", "report", "explain {id}", "replay {tape} --no-books", "config show"]
)
def test_without_a_terminal_there_is_no_escape_byte(command: str) -> None:
    line = command.format(id="gap_fill-20261116-2", tape=tapes()[0])
    root = f"--root {demo()[0]}" if command.split(maxsplit=1)[0] in ("status", "report", "explain") else ""
    done = shell(f"$runtime {line} {root}", FORCE_COLOR="1", CLICOLOR_FORCE="1")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_a_terminal_gets_tables_and_a_bar_unless_it_asks_for_plain_text() -> None:
    root, tape = str(demo()[0]), str(tapes()[0])
    for words in (["report", "--root", root], ["replay", tape, "--no-books"]):
        code, colourful = on_terminal(words)
        assert (code, b"\x1b" in colourful) == (0, True)
    for plain in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        code, shown = on_terminal(["report", "--root", root], **plain)
        assert (code, b"\x1b" in shown) == (0, False)
        code, shown = on_terminal(["replay", tape, "--no-books"], **plain)
        assert (code, b"\x1b" in shown) == (0, False)
        assert b"(1 of 1)" in shown


# ---- quick starts -----------------------------------------------------------------------------


READERS = (
    *("status", "report", "explain gap_fill-20261116-2", "strategies list", "logs"),
    *("report --html /dev/null", "report --day 2026-11-16 --csv /dev/null"),
)


@pytest.mark.parametrize("command", READERS)
def test_what_reads_the_books_starts_without_heavy_modules(command: str) -> None:
    program = (
        "import sys; from tui.commands.main import main; "
        f"code = main({[*command.split(), '--root', str(demo()[0]), '--json']!r}); "
        "heavy = {'numpy', 'pandas', 'textual', 'anyio', 'asyncio', 'rich', 'pyarrow', 'structlog'}; "
        "sys.exit(code or ', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr.decode()


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from tui.commands.main import main; code = main(['--help']); "
        "sys.exit(code or ', '.join({'numpy', 'pandas', 'msgspec', 'rich'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("command", ["halt", "halt --json", "stop", "strategies pause orb"])
def test_what_must_work_at_once_imports_little(command: str, tmp_path: Path) -> None:
    """Of what `halt` may need nothing can be broken: no package of another floor, nothing from outside."""
    heavy = {"numpy", "pandas", "textual", "anyio", "asyncio", "rich", "pyarrow", "structlog", "actors"}
    if not command.startswith("strategies"):
        heavy |= {"msgspec", "sqlite3", "config", "storage"}
    program = (
        "import sys; from tui.commands.main import main; "
        f"main({[*command.split(), '--root', str(tmp_path)]!r}); "
        f"sys.exit(', '.join({sorted(heavy)!r} & sys.modules.keys()) or 0)"
    ).replace(f"{sorted(heavy)!r} &", f"set({sorted(heavy)!r}) &")
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr.decode()
