"""`halt`, `resume`, `stop` and what `status` says of them, with no engine and with a small one."""

import json
import os
import pty
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import kill_switch
from storage.lock import RootLock
from tests.demo_run import demo
from tui.commands import exits
from tui.commands.main import main

REPOSITORY = Path(__file__).resolve().parents[3]
AT = 1_520_262_000_000_000_000
Captured = pytest.CaptureFixture[str]

ENGINE = """
import asyncio, signal, sys
from pathlib import Path
from actors.gateways.kill_watch import KillSwitch, KillWatch
from runtime import kill_switch
from runtime.kernel.clock import LiveClock
from runtime.kernel.gateway import Inbox
from storage.lock import RootLock

class Switch(KillSwitch):
    async def attend(self):
        await super().attend()
        if not self.is_up:
            self.is_up = True
            print("up", flush=True)

    is_up = False

async def main(root):
    def post(source, message):
        words = getattr(message, "reason", ""), getattr(message, "flatten", "")
        print(type(message).__name__, *words, flush=True)
    kill_switch.prepare(root)
    watch = KillWatch("kill_watch", Inbox(), post, switch=Switch(root, post, LiveClock()))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, watch.request_stop)
    await watch.run()

with RootLock(Path(sys.argv[1])):
    asyncio.run(main(Path(sys.argv[1])))
"""

HOLDER = """
import sys
from pathlib import Path
from storage.lock import RootLock
with RootLock(Path(sys.argv[1])):
    print(flush=True)
    input()
"""


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **more}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(tmp_path)], env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert said(process) == "up"
    yield process
    process.kill()
    process.communicate()


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


# ---- halt -----------------------------------------------------------------------------------------


def test_halt_works_with_no_engine_and_says_what_it_reached(tmp_path: Path, capsys: Captured) -> None:
    assert main(["halt", "--reason", "odd fills", "--root", str(tmp_path)]) == exits.OK
    shown = capsys.readouterr().out.splitlines()
    assert shown == [
        f"file    reached: {tmp_path}/killswitch/HALT is written",
        "socket  not reached: no engine listens there",
        "signal  not reached: no engine is at work in this root",
    ]
    assert kill_switch.read(tmp_path)[:2] == ("odd fills", False)


def test_halt_takes_the_root_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADING_SYSTEM_ROOT", str(tmp_path))
    assert main(["halt"]) == exits.OK
    assert kill_switch.read(tmp_path).reason == f"halt by user {os.getuid()} on the command line"


def test_halt_reaches_a_running_engine_by_its_signal(
    tmp_path: Path, engine: "subprocess.Popen[str]", capsys: Captured
) -> None:
    assert main(["halt", "--flatten", "-y", "--root", str(tmp_path)]) == exits.OK
    assert f"signal  reached: SIGUSR1 to process {engine.pid}" in capsys.readouterr().out
    assert said(engine) == f"HaltThrown halt by user {os.getuid()} on the command line True"


def test_a_process_that_does_not_expect_the_signal_is_spared(tmp_path: Path, capsys: Captured) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], env=environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        said(process)
        assert main(["halt", "--root", str(tmp_path)]) == exits.OK
        assert f"signal  not reached: process {process.pid} is no engine" in capsys.readouterr().out
        assert process.communicate("\n")[0] == ""
    assert process.returncode == 0


def test_halt_speaks_to_the_socket_and_shows_the_answer(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "run").mkdir()
    asked: list[dict[str, object]] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "run" / "engine.sock"))
        server.listen()

        def answer() -> None:
            line, _ = server.accept()
            with line, line.makefile("rw") as file:
                asked.append(json.loads(file.readline()))
                file.write('{"ok": true, "text": "halted\\u001b[2J"}\n')

        thread = threading.Thread(target=answer)
        thread.start()
        assert main(["halt", "--reason", "x", "--root", str(tmp_path)]) == exits.OK
        thread.join()
    assert asked == [
        {"command": "halt", "reason": "x", "flatten": False, "by": f"user {os.getuid()} on the command line"}
    ]
    assert "socket  reached: halted?[2J" in capsys.readouterr().out


def test_a_socket_that_never_answers_does_not_keep_halt(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui.commands import engine

    (tmp_path / "run").mkdir()
    monkeypatch.setattr(engine.ask, "__defaults__", (0.05,))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "run" / "engine.sock"))
        server.listen()
        assert main(["halt", "--root", str(tmp_path)]) == exits.OK
    assert "socket  not reached: timed out" in capsys.readouterr().out


def test_where_nothing_can_be_reached_halt_fails_and_says_what_remains(
    tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "killswitch").touch()
    assert main(["halt", "--root", str(tmp_path)]) == exits.FAILED
    shown = capsys.readouterr()
    assert shown.out.startswith("file    not reached: Not a directory")
    assert "suspend trading at the broker" in shown.err


def test_on_a_terminal_flatten_halts_first_and_then_asks(tmp_path: Path) -> None:
    for answer, flatten in ((b"no\n", False), (b"FLATTEN\n", True)):
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "runtime", "halt", "--flatten", "--root", str(tmp_path)],
            env=environment(), stdin=follower, stdout=follower, stderr=follower,
        )  # fmt: skip
        os.close(follower)
        shown = b""
        while b"type FLATTEN" not in shown:
            shown += os.read(leader, 4_096)
        assert kill_switch.look(tmp_path).halted
        assert not kill_switch.read(tmp_path).flatten
        os.write(leader, answer)
        assert process.wait(200) == exits.OK
        os.close(leader)
        assert kill_switch.read(tmp_path).flatten is flatten


def test_all_is_asked_for_by_a_word_of_its_own_and_says_what_it_is_about(tmp_path: Path) -> None:
    for answer, everything in ((b"FLATTEN\n", False), (b"FLATTENALL\n", True)):
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "runtime", "halt", "--flatten", "--all", "--root", str(tmp_path)],
            env=environment(), stdin=follower, stdout=follower, stderr=follower,
        )  # fmt: skip
        os.close(follower)
        shown = b""
        while b"type FLATTENALL" not in shown:
            shown += os.read(leader, 4_096)
        assert b"not ours, and closed too: unknown, no engine answers" in shown
        assert not kill_switch.read(tmp_path).flatten
        os.write(leader, answer)
        assert process.wait(200) == exits.OK
        os.close(leader)
        order = kill_switch.read(tmp_path)
        assert (order.flatten, order.everything) == (everything, everything)


def test_all_without_flatten_is_refused_and_halts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["halt", "--all", "--root", str(tmp_path)]) == exits.USAGE
    assert "--all goes with --flatten" in capsys.readouterr().err
    assert not (tmp_path / "killswitch").exists()


def test_flatten_alone_asks_for_ours_only_by_every_way(tmp_path: Path) -> None:
    assert main(["halt", "--flatten", "-y", "--root", str(tmp_path)]) == exits.OK
    order = kill_switch.read(tmp_path)
    assert (order.flatten, order.everything) == (True, False)
    assert main(["halt", "--flatten", "--all", "-y", "--root", str(tmp_path)]) == exits.OK
    assert kill_switch.read(tmp_path).everything


def test_halt_imports_nothing_that_can_fail_and_starts_at_once(tmp_path: Path) -> None:
    program = (
        "import sys, time; begun = time.process_time(); from tui.commands.main import main; "
        f"code = main(['halt', '--root', {str(tmp_path)!r}]); spent = time.process_time() - begun; "
        "ours = ('actors', 'storage', 'config', 'runtime.messages', 'runtime.kernel', 'runtime.errors'); "
        "foreign = ('msgspec', 'numpy', 'pandas', 'textual', 'anyio', 'asyncio', 'structlog', 'sqlite3'); "
        "met = [name for name in (*ours, *foreign) if name in sys.modules]; "
        "begun = time.process_time(); import asyncio; yard = time.process_time() - begun; "
        # 0.3 s, or as much of a slower machine: where it is 0.3 s, eight times what asyncio takes.
        "sys.exit(code or ', '.join(met) or (f'{spent} s' if spent > max(0.3, 8 * yard) else 0))"
    )
    for _ in range(2):  # the first may have to compile what nobody has imported yet
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr


def test_halt_works_where_everything_that_can_fail_fails(tmp_path: Path) -> None:
    """No package, no floor below but the kill switch, a broken locale and no standard output."""
    for name in ("actors", "storage", "config", "msgspec", "numpy", "asyncio", "sqlite3"):
        (tmp_path / "broken" / name).mkdir(parents=True)
        (tmp_path / "broken" / name / "__init__.py").write_text("raise MemoryError('broken')")
    done = subprocess.run(
        [sys.executable, "-m", "runtime", "halt", "--root", str(tmp_path / "root")],
        env=environment(PYTHONPATH=f"{tmp_path / 'broken'}:{REPOSITORY}", LC_ALL="nonsense"),
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert kill_switch.look(tmp_path / "root").halted


# ---- resume ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["", "\n", "yes\n", "res\n"])
def test_resume_wants_its_word_typed(
    tmp_path: Path, typed: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_switch.throw(tmp_path, "odd fills", at=AT)
    give(monkeypatch, typed)
    assert main(["resume", "--root", str(tmp_path)]) == exits.FAILED
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "halted since 2018-03-05T15:00:00Z: odd fills\nnot confirmed: nothing was changed\n"
    assert kill_switch.look(tmp_path).halted


def test_resume_without_an_engine_removes_the_file_and_leaves_a_receipt(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_switch.throw(tmp_path, "odd fills", at=AT)
    give(monkeypatch, "resume\n")
    assert main(["resume", "--root", str(tmp_path)]) == exits.OK
    assert kill_switch.look(tmp_path) == kill_switch.CLEAR
    assert kill_switch.resumed_by(tmp_path) == f"user {os.getuid()} on the command line"
    assert "no engine is running" in capsys.readouterr().out


def test_resume_asks_a_running_engine(
    tmp_path: Path, engine: "subprocess.Popen[str]", capsys: Captured
) -> None:
    assert main(["halt", "--root", str(tmp_path)]) == exits.OK
    assert said(engine).startswith("HaltThrown")
    assert main(["resume", "-y", "--root", str(tmp_path)]) == exits.OK
    assert said(engine).startswith("HaltLifted")
    assert "the engine trades again" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "killswitch").iterdir()) == ["RESUMED"]


def test_resume_says_so_when_the_one_at_work_does_not_answer(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui.commands import resume

    kill_switch.throw(tmp_path, "x", at=AT)
    monkeypatch.setattr(resume, "_PATIENCE", 0.1)
    with RootLock(tmp_path):
        assert main(["resume", "-y", "--root", str(tmp_path)]) == exits.FAILED
    assert "the engine has not answered" in capsys.readouterr().err
    assert kill_switch.look(tmp_path).halted
    assert kill_switch.asked_to_lift(tmp_path) is None


def test_resume_does_not_lift_what_cannot_be_trusted(tmp_path: Path, capsys: Captured) -> None:
    kill_switch.prepare(tmp_path)
    (tmp_path / "killswitch").chmod(0o777)
    assert main(["resume", "-y", "--root", str(tmp_path)]) == exits.FAILED
    assert "chmod 700" in capsys.readouterr().err


# ---- stop -----------------------------------------------------------------------------------------


def test_stop_waits_for_the_engines_end(
    tmp_path: Path, engine: "subprocess.Popen[str]", capsys: Captured
) -> None:
    assert main(["stop", "--root", str(tmp_path)]) == exits.OK
    assert capsys.readouterr().out == f"process {engine.pid} has ended\n"
    assert engine.wait(200) == 0


def test_stop_without_an_engine_has_its_own_code(tmp_path: Path, capsys: Captured) -> None:
    assert main(["stop", "--root", str(tmp_path)]) == exits.NO_ENGINE
    assert "no engine is running" in capsys.readouterr().out


def test_stop_does_not_wait_for_ever(tmp_path: Path, capsys: Captured) -> None:
    program = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{HOLDER}"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], env=environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        said(process)
        assert main(["stop", "--wait", "0.05", "--root", str(tmp_path)]) == exits.FAILED
        process.communicate("\n")
    assert "still at work after 0.05 s" in capsys.readouterr().out


# ---- status ---------------------------------------------------------------------------------------


def status(root: Path, capsys: Captured) -> tuple[int, dict[str, object]]:
    code = main(["status", "--json", "--root", str(root)])
    return code, json.loads(capsys.readouterr().out)


def test_status_says_halted_even_where_nothing_has_traded(tmp_path: Path, capsys: Captured) -> None:
    for make in ("touch", "mkdir"):
        root = tmp_path / make
        kill_switch.prepare(root)
        getattr(root / "killswitch" / "HALT", make)()
        code, found = status(root, capsys)
        assert (code, found["halted"], found["books"]) == (exits.HALTED, True, None)


def test_status_of_a_demo_says_halted_only_where_the_file_is(tmp_path: Path, capsys: Captured) -> None:
    import shutil

    root = tmp_path / "root"
    shutil.copytree(demo()[0], root)
    code, found = status(root, capsys)
    assert (code, found["halted"]) == (exits.OK, False)
    kill_switch.throw(root, "odd fills", flatten=True, at=AT)
    code, found = status(root, capsys)
    assert (code, found["halted"], found["halt_reason"]) == (exits.HALTED, True, "odd fills")
    assert found["halt_flatten"] is True
    assert main(["status", "--root", str(root)]) == exits.HALTED
    assert capsys.readouterr().out.startswith("HALTED     odd fills\nbooks ")


def test_status_of_a_root_without_books_and_without_a_halt_is_refused_as_ever(
    tmp_path: Path, capsys: Captured
) -> None:
    kill_switch.prepare(tmp_path)
    assert main(["status", "--json", "--root", str(tmp_path)]) == exits.DATA
    assert capsys.readouterr().out == ""


def give(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


# ---- for machines ---------------------------------------------------------------------------------


def test_halt_resume_and_stop_print_one_object_each(tmp_path: Path, capsys: Captured) -> None:
    root = ["--root", str(tmp_path), "--json"]
    assert main(["halt", "--flatten", "--reason", "odd fills", *root]) == exits.OK
    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["halted"], said["flatten"]) == (1, True, True)
    assert {way["way"]: way["reached"] for way in said["ways"]} == {
        "file": True,
        "socket": False,
        "signal": False,
    }
    assert kill_switch.read(tmp_path).flatten
    assert main(["resume", "--yes", *root]) == exits.OK
    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["resumed"]) == (1, True)
    assert main(["stop", *root]) == exits.NO_ENGINE
    said = json.loads(capsys.readouterr().out)
    assert (said["schema"], said["ended"], said["pid"]) == (1, False, None)


def test_a_halt_that_reaches_nothing_says_so_to_machines_too(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "killswitch").write_text("no folder")
    assert main(["halt", "--json", "--root", str(tmp_path)]) == exits.FAILED
    assert json.loads(capsys.readouterr().out)["halted"] is False
