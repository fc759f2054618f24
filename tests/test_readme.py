"""What README.md says is so: every command runs, every setting exists, nothing made has gone stale."""

import glob
import json
import re
import shlex
import shutil
import sqlite3
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.market.calendar import sessions_between
from config.describe import field_docs, sections
from config.load import ENVIRONMENT
from tests import readme
from tests.demo_run import demo
from tests.storage.loaders.made import bars, daily_rows, write
from tui.commands import exits
from tui.commands.main import COMMANDS, build, main

TEXT = readme.README.read_text()
PROJECT = tomllib.loads((readme.REPOSITORY / "pyproject.toml").read_text())
RUNTIME = "python -m runtime"
ENVIRONMENT_LINES = (". .venv/bin/activate", "export ALPACA_API_KEY=... ALPACA_SECRET_KEY=...")

LINES = [line for fence in readme.fences("sh", TEXT) for line in fence.splitlines()]
SETUP = [line for line in LINES if line.startswith("python3 -m venv")]
PROGRAM = [line for line in LINES if line.startswith(RUNTIME)]


def words_of(line: str) -> list[str]:
    return shlex.split(line.removeprefix(RUNTIME), comments=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder like the checkout's after the demo, with the files the README's examples name."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(demo()[0], folder / "runs" / "demo")
    shutil.copy(readme.SAMPLE, folder)
    for fence in readme.fences("toml", TEXT):
        name = fence.splitlines()[0].removeprefix("# ")
        assert name.endswith(".toml")
        (folder / name).write_text(fence)
    days = sessions_between("2018-02-26", "2018-03-02")
    write(folder / "minute.parquet", [row for day in days for row in bars(day, "AA", [10.0] * 30)])
    write(folder / "daily.parquet", daily_rows("AA", days, [10.0] * 5), adj_close=[10.0] * 5)
    write(folder / "vix.parquet", daily_rows("VIX", days, [20.0] * 5))
    (folder / "sectors.csv").write_text("Symbol,Sector\nAA,Energy\n")
    yield folder


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("TRADING_SYSTEM_ROOT", str(folder))
    for name in ("ALPACA_API_KEY", "ALPACA_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    return folder


def run(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a line of the README, its patterns expanded."""
    words = [
        found for word in words_of(line) for found in (sorted(glob.glob(word)) if "*" in word else [word])
    ]
    capsys.readouterr()
    code = main(words)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


# ---- what is made from the program ---------------------------------------------------------------


def test_the_parts_made_from_the_program_are_up_to_date() -> None:
    assert readme.rendered(TEXT) == TEXT, "run `python -m tests.readme`"


def test_the_sample_is_short() -> None:
    code = [line for line in readme.SAMPLE.read_text().splitlines() if line.strip()]
    assert len(code) <= 30


# ---- set-up --------------------------------------------------------------------------------------


def test_two_commands_do_all_set_up_and_ci_runs_the_same() -> None:
    demo_command, test_command = SETUP
    ci = (readme.REPOSITORY / ".ci" / "run").read_text().splitlines()
    *install, tests = test_command.split(" && ")
    assert install == ["python3 -m venv .venv", ".venv/bin/pip install --quiet -e '.[dev]'"]
    assert tests.startswith(".venv/bin/python -m pytest")
    places = [ci.index(command) for command in (*install, tests)]
    assert places == sorted(places)
    assert demo_command.split(" && ") == [
        "python3 -m venv .venv",
        ".venv/bin/pip install --quiet -e .",
        f".venv/bin/{RUNTIME} demo",
    ]
    assert f".venv/bin/{RUNTIME} demo" in ci
    assert (readme.REPOSITORY / ".ci" / "run").stat().st_mode & 0o111


def test_the_project_declares_what_set_up_needs() -> None:
    project = PROJECT["project"]
    assert project["requires-python"] == ">=3.11"
    assert "Python 3.11 or later" in TEXT
    named = {re.split(r"[>=<\[ ]", each)[0] for each in project["optional-dependencies"]["dev"]}
    assert {"pytest", "pytest-xdist", "ruff", "mypy", "import-linter", "hypothesis"} <= named


def test_every_line_of_shell_is_known() -> None:
    for line in LINES:
        assert line in SETUP or line in PROGRAM or line in ENVIRONMENT_LINES, line


# ---- commands ------------------------------------------------------------------------------------


def test_every_command_of_the_readme_runs_in_the_order_given(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for line in PROGRAM:
        expected = re.search(r"# exits (\d+)", line)
        code, out, err = run(line, capsys)
        assert code == (int(expected[1]) if expected else exits.OK), f"{line}\n{err}"
        assert expected or out, line


def test_every_command_of_the_program_is_in_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    shown = {tuple(words_of(line)[:2]) for line in PROGRAM}
    for name in COMMANDS:
        assert any(words[:1] == (name,) for words in shown), name
    for name in ("tape", "config", "strategies", "errors", "alerts"):
        with pytest.raises(SystemExit):
            build(name).parse_args([name, "--help"])
        usage = capsys.readouterr().out
        inner = re.findall(r"^    (\w+) ", usage, flags=re.MULTILINE)
        assert inner
        for each in inner:
            assert (name, each) in shown, f"{name} {each}"


def test_every_option_the_readme_mentions_exists(capsys: pytest.CaptureFixture[str]) -> None:
    known = {"--quiet", "--strict"}
    inner = [
        ["tape", "import"],
        ["tape", "prune"],
        ["config", "show"],
        ["errors", "list"],
        ["errors", "resolve"],
    ]
    for name in (*([each] for each in COMMANDS), *inner):
        main([*name, "--help"])
        known |= set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)) <= known


def test_the_sample_strategy_trades_with_the_settings_of_the_readme(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = next(line for line in PROGRAM if "--config sma.toml" in line and "replay" in line)
    assert run(f"{line} --fresh", capsys)[0] == exits.OK
    link = sqlite3.connect("runs/sma/db/trades.db")
    (count,) = link.execute(  # round trips
        "SELECT count(*) FROM trades WHERE strategy = 'sma_cross' AND status = 'CLOSED'"
    ).fetchone()
    link.close()
    assert count > 0


def test_what_if_changes_what_the_breaker_did(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = next(line for line in PROGRAM if "runs/careful" in line and "replay" in line)
    code, out, _ = run(f"{line} --fresh --json", capsys)
    assert code == exits.OK
    assert json.loads(out)["decisions_sha256"] != demo()[1]["decisions_sha256"]


# ---- settings and words --------------------------------------------------------------------------


def test_every_setting_the_readme_mentions_exists() -> None:
    keys = {doc.key for doc in field_docs()}
    names = "|".join(sections())
    for key in re.findall(rf"`(?:{names})\.([\w.]+)", TEXT):
        assert any(known.endswith(f".{key}") for known in keys), key
    for key in re.findall(rf"(?:--set |`)((?:{names})\.\w+)", TEXT):
        assert key in keys, key
    for table in readme.fences("toml", TEXT):
        tomllib.loads(table)
    for name in sections():
        assert f"| `{name}` |" in TEXT
    for name in ENVIRONMENT:
        assert f"`{name}`" in TEXT


def test_every_path_the_readme_mentions_is_made_by_the_demo_or_is_here() -> None:
    root = demo()[0]
    for path in ("db/trades.db", "db/performance.db", "tapes/blobs", "run/engine.lock"):
        assert f"`{path}" in TEXT
        assert (root / path).exists(), path
    for path in re.findall(r"`((?:tests|config|\.ci)/[\w./]+)`", TEXT):
        assert (readme.REPOSITORY / path).exists(), path


def test_the_changelog_has_the_version_or_what_is_not_released() -> None:
    text = (readme.REPOSITORY / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text or f"## [{PROJECT['project']['version']}]" in text
