import gc
import os
import socket
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from runtime import control_socket
from runtime.control_socket import LONGEST, connect, listen, place, remove


def make_root(path: Path) -> Path:
    (path / "run").mkdir(parents=True, mode=0o700)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_root(tmp_path / "r")


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    return make_root(tmp_path / ("d" * LONGEST))


@pytest.fixture
def runtime_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="socket-", dir="/tmp"))  # a short path, and nobody else's
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    for left in folder.iterdir():
        left.unlink()
    folder.rmdir()


def assert_reached(root: Path) -> None:
    with listen(root) as listening, connect(root, 200.0) as asking:
        listening.setblocking(True)
        answering, _ = listening.accept()
        with answering:
            asking.sendall(b"?")
            assert answering.recv(1) == b"?"


def test_the_socket_lies_in_the_root_for_its_owner_only(root: Path) -> None:
    with listen(root):
        about = (root / "run" / "engine.sock").lstat()
        assert stat.S_ISSOCK(about.st_mode)
        assert stat.S_IMODE(about.st_mode) == 0o600
    assert_reached(root)


def test_a_root_whose_path_is_too_long_has_it_in_the_runtime_folder(deep: Path, runtime_folder: Path) -> None:
    assert Path(place(deep)).parent == runtime_folder
    with listen(deep):
        link = deep / "run" / "engine.sock"
        assert os.readlink(link) == place(deep)
        assert stat.S_IMODE(os.stat(place(deep)).st_mode) == 0o600
    assert_reached(deep)
    remove(deep)
    assert not os.path.lexists(place(deep))
    assert not os.path.lexists(link)


def test_whoever_asks_needs_no_runtime_folder(
    deep: Path, runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listen(deep):
        monkeypatch.delenv("XDG_RUNTIME_DIR")
        connect(deep, 200.0).close()


@pytest.mark.parametrize("mode", [None, 0o755])
def test_without_a_private_runtime_folder_a_long_path_still_works(
    deep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int | None
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    if mode is not None:
        (tmp_path / "open").mkdir()
        (tmp_path / "open").chmod(mode)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "open"))
    assert place(deep).startswith(str(deep))
    assert_reached(deep)


def test_what_a_dead_engine_left_is_replaced(root: Path) -> None:
    listen(root).close()
    with pytest.raises(ConnectionRefusedError):
        connect(root, 1.0)
    assert_reached(root)


def test_something_else_under_the_name_is_left_alone(root: Path) -> None:
    (root / "run" / "engine.sock").write_text("mine")
    with pytest.raises(FileExistsError):
        listen(root)
    assert (root / "run" / "engine.sock").read_text() == "mine"


def test_nobody_there_is_said_at_once(tmp_path: Path, root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        connect(tmp_path / "nowhere", 1.0)
    with pytest.raises(FileNotFoundError):
        connect(root, 1.0)


def test_a_full_queue_is_waited_for_as_long_as_allowed(root: Path) -> None:
    with listen(root) as listening:
        waiting = []
        with pytest.raises(TimeoutError):
            while True:
                waiting.append(connect(root, 0.05))
        assert len(waiting) >= 64

        def take() -> None:
            taken, _ = listening.accept()
            taken.close()

        taker = threading.Timer(0.1, take)
        taker.start()
        connect(root, 200.0).close()
        taker.join()
        for line in waiting:
            line.close()


def test_no_descriptor_is_left_open(root: Path) -> None:
    gc.collect()  # what earlier tests dropped is not closed in the middle of this one
    before = os.listdir("/proc/self/fd")
    assert_reached(root)
    with pytest.raises(OSError):
        connect(root.parent / "nowhere")
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_server_gets_a_socket_that_does_not_block(root: Path) -> None:
    with listen(root) as line:
        assert isinstance(line, socket.socket)
        assert line.gettimeout() == 0.0
    assert control_socket.NAME == "engine.sock"
