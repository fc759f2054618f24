"""`logs`: merged, filtered, followed, inert."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.kernel.clock import LiveClock
from runtime.log_file import LogFile
from tests.tui.commands.test_main import PROGRAM, environment
from tui.commands import exits
from tui.commands.log_reading import Tail, written
from tui.commands.logs import since
from tui.commands.main import main

Captured = pytest.CaptureFixture[str]
NOON = 1_520_265_600_000_000_000  # 2018-03-05 11:00 in New York
HOSTILE = "\x1b]52;c;x\x07\x9b2J\u202e[/][@click=app.quit]\r\n"


def line(n: int, level: str = "INFO", event: str = "said", **more: Any) -> str:
    fields = {"ts": NOON + n, "level": level, "event": event, "logger": "actors.gateways.x", **more}
    return json.dumps(fields, ensure_ascii=False) + "\n"


@contextmanager
def killed_at_the_end(process: "subprocess.Popen[str]") -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with LogFile(tmp_path / "logs" / "engine.log", most_bytes=400) as file:
        for n in range(0, 20, 2):
            file.write(line(n, event=f"engine {n}"))
    with LogFile(tmp_path / "logs" / "run.log") as file:
        for n in range(1, 20, 2):
            file.write(
                line(n, "WARNING" if n % 3 else "ERROR", event=f"run {n}", logger="tui.x", component="run")
            )
    return tmp_path


def shown(root: Path, capsys: Captured, *words: str) -> list[str]:
    capsys.readouterr()
    assert main(["logs", "--root", str(root), *words]) == exits.OK
    return capsys.readouterr().out.splitlines()


def events(root: Path, capsys: Captured, *words: str) -> list[str]:
    return [json.loads(each)["event"] for each in shown(root, capsys, "--json", *words)]


def test_all_files_are_one_log_in_order_of_time(root: Path, capsys: Captured) -> None:
    assert len(list((root / "logs").iterdir())) > 2
    assert events(root, capsys) == [f"{'run' if n % 2 else 'engine'} {n}" for n in range(20)]
    assert [each["event"] for each in written(root / "logs")] == events(root, capsys)


def test_lines_are_chosen_by_level_component_time_and_number(root: Path, capsys: Captured) -> None:
    assert events(root, capsys, "--level", "error") == ["run 3", "run 9", "run 15"]
    assert events(root, capsys, "--component", "x", "-n", "2") == ["engine 16", "engine 18"]
    assert len(events(root, capsys, "--component", "actors.gateways")) == 10
    assert len(events(root, capsys, "--component", "run", "--component", "x", "-n", "0")) == 20
    assert events(root, capsys, "--since", "2018-03-05T11:00") == events(root, capsys)
    assert events(root, capsys, "--since", "2018-03-06") == []
    assert events(root, capsys, "-n", "3", "--level", "WARNING") == ["run 15", "run 17", "run 19"]


def test_a_part_that_nothing_is_logged_by_is_told_with_the_nearest_that_is(
    root: Path, capsys: Captured
) -> None:
    for name, meant in (
        ("rum", "did you mean 'run'?"),
        ("actors.gatewys.x", "did you mean 'actors.gateways.x'?"),
        ("zzzzzz", "valid names: actors.gateways.x, run, "),
    ):
        assert main(["logs", "--root", str(root), "--component", name]) == exits.OK
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"nothing is logged by {name!r}; {meant}")
    assert main(["logs", "--root", str(root), "--component", "run", "--level", "CRITICAL"]) == exits.OK
    assert capsys.readouterr() == ("", "")


def test_a_line_says_when_how_bad_who_and_what(root: Path, capsys: Captured) -> None:
    with LogFile(root / "logs" / "engine.log") as file:
        file.write(
            line(99, "ERROR", "lost", symbol="SPY", traceback="Traceback\n  here", file="x.py", line=3)
        )
    assert shown(root, capsys, "-n", "1") == [
        "2018-03-05 11:00:00 ET ERROR    x                lost symbol=SPY"
    ]
    assert shown(root, capsys, "-n", "1", "-v")[1:] == ["Traceback", "  here"]


def test_json_has_a_schema_and_everything(root: Path, capsys: Captured) -> None:
    (only,) = shown(root, capsys, "--json", "-n", "1")
    assert json.loads(only) == {
        "schema": 1, "ts": NOON + 19, "level": "WARNING", "event": "run 19", "logger": "tui.x",
        "component": "run",
    }  # fmt: skip


def test_hostile_lines_are_inert_in_words_and_in_json(root: Path, capsys: Captured) -> None:
    path = root / "logs" / "engine.log"
    with LogFile(path) as file:
        file.write(line(50, event=HOSTILE, component=HOSTILE, **{HOSTILE: HOSTILE}))
        file.write("\x1b[2J no JSON at all \x00\n")
        file.write("x" * 1_000_000 + "\n")
    with path.open("ab") as raw:
        raw.write(b"\xff\xfe\x9b\n")
    for words in ([], ["--json"], ["-v"]):
        text = "\n".join(shown(root, capsys, *words))
        assert not set(text) & {"\x1b", "\x07", "\x9b", "\x00", "\r", "\u202e"}
        assert "no JSON at all" in text
    assert max(map(len, shown(root, capsys))) < 5_000


def test_without_a_log_it_says_where_it_looked(tmp_path: Path, capsys: Captured) -> None:
    assert main(["logs", "--root", str(tmp_path)]) == exits.DATA
    assert f"no log in {tmp_path / 'logs'}" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["soon", "2018-13-01", "25:00", "10 apples", ""])
def test_a_moment_that_is_none_is_refused(words: str, capsys: Captured) -> None:
    assert main(["logs", "--since", words]) == exits.USAGE
    capsys.readouterr()


def test_moments_are_spans_times_of_today_days_or_exact() -> None:
    now = LiveClock().now()
    for words, seconds in (("90s", 90), ("10m", 600), ("2h", 7_200), ("1d", 86_400)):
        assert abs(now - since(words) - seconds * 10**9) < 5 * 10**9
    assert since("2018-03-05T11:00") == since("2018-03-05T16:00+00:00") == NOON
    assert since("2018-03-05") == NOON - 11 * 3_600 * 10**9
    assert since("0:00") <= now < since("0:00") + 25 * 3_600 * 10**9


def test_a_tail_gives_every_line_once_across_files_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    got = []
    with LogFile(path, most_bytes=250, kept=9) as file:
        file.write(line(0, event="0"))
        tail = Tail(tmp_path)
        got += [each["event"] for each in tail.earlier()]
        for n in range(1, 40):
            file.write(line(n, event=str(n)))
            if n % 2:
                got += [each["event"] for each in tail.grown()]
        other = LogFile(tmp_path / "b.log")
        other.write(line(40, event="40"))
        other.write('{"ts": 1, ')
        other.close()
        got += [each["event"] for each in tail.grown()]
    tail.close()
    assert got == [str(n) for n in range(41)]


def test_following_is_told_by_the_kernel_and_ends_with_ctrl_c(root: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "logs", "-f", "-n", "1", "--root", str(root)], env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process, killed_at_the_end(process):
        assert process.stdout is not None and process.stderr is not None
        assert "run 19" in process.stdout.readline()
        with LogFile(root / "logs" / "engine.log") as file:
            file.write(line(60, event="fresh"))
        assert "fresh" in process.stdout.readline()
        with LogFile(root / "logs" / "new.log") as file:
            file.write(line(61, event="of another process"))
        assert "of another process" in process.stdout.readline()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(timeout=200) == exits.INTERRUPTED
        assert "Traceback" not in process.stderr.read()
