"""Faults 48 to 50: whatever is wrong with HALT or its directory is a halt; only a person lifts it."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import kill_switch
from runtime.kill_switch import CLEAR, NotLifted, lift, look, prepare, read, resumed_by, throw

AT = 1_520_262_000_000_000_000
"""2018-03-05 15:00:00 UTC."""
REPOSITORY = Path(__file__).resolve().parents[2]
NOBODY = 65_534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to give files away")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    prepare(tmp_path)
    return tmp_path


def halt(root: Path) -> Path:
    return root / "killswitch" / "HALT"


# ---- what is no halt ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755])
def test_our_own_directory_without_the_file_is_not_halted(root: Path, mode: int) -> None:
    (root / "killswitch").chmod(mode)
    assert look(root) == look(str(root)) == CLEAR


def test_other_files_beside_it_are_no_halt(root: Path) -> None:
    (root / "killswitch" / "HALT.txt").touch()
    (root / "killswitch" / "RESUMED").touch()
    assert look(root) == CLEAR


# ---- 48: what may lie under the name ------------------------------------------------------------


def empty(path: Path) -> None:
    path.touch()


def directory(path: Path) -> None:
    path.mkdir()


def dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def unreadable(path: Path) -> None:
    path.touch(mode=0)


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 30)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bytes_that_are_no_text(path: Path) -> None:
    path.write_bytes(b"\xff\x1b]0;title\x07" * 2_000)


LYING = [empty, directory, dangling_link, link_to_itself, unreadable, huge, pipe, bytes_that_are_no_text]


@pytest.mark.parametrize("make", LYING)
def test_whatever_lies_under_the_name_is_a_halt_that_can_be_read_and_lifted(
    root: Path, make: Callable[[Path], None]
) -> None:
    make(halt(root))
    assert look(root).halted
    order = read(root)
    assert order.reason and order.reason.isprintable()
    assert not order.flatten
    lift(root, "a test", at=AT)
    assert look(root) == CLEAR


@as_root
def test_another_users_file_is_a_halt_and_its_wish_to_flatten_is_not_believed(root: Path) -> None:
    throw(root, "theirs", flatten=True, at=AT)
    assert read(root).flatten
    os.chown(halt(root), NOBODY, NOBODY)
    assert look(root).halted
    assert read(root) == kill_switch.Order("theirs", False, "2018-03-05T15:00:00Z")


def test_a_file_that_others_can_write_is_not_believed_to_flatten(root: Path) -> None:
    throw(root, "x", flatten=True, at=AT)
    halt(root).chmod(0o666)
    assert look(root).halted
    assert not read(root).flatten


def test_a_file_written_by_hand_is_read_as_its_reason(root: Path) -> None:
    halt(root).write_text("fed day\n")
    assert read(root).reason == "fed day"


# ---- 49: the directory --------------------------------------------------------------------------


def test_a_missing_directory_is_a_halt_and_said_to_be_absent(tmp_path: Path) -> None:
    state = look(tmp_path)
    assert (state.halted, state.is_absent) == (True, True)
    assert "No such file" in state.reason


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o770, 0o702, 0o500, 0o600, 0o000])
def test_a_directory_of_the_wrong_mode_is_a_halt_that_names_the_remedy(root: Path, mode: int) -> None:
    place = root / "killswitch"
    place.chmod(mode)
    state = look(root)
    place.chmod(0o700)
    assert state.halted and not state.is_absent
    if os.geteuid() == 0:  # for others the kernel refuses the look at the file first
        assert f"{mode:04o}" in state.reason
        assert "chmod 700" in state.reason


@as_root
def test_another_users_directory_is_a_halt(root: Path) -> None:
    os.chown(root / "killswitch", NOBODY, NOBODY)
    assert "belongs to user 65534" in look(root).reason


def test_a_file_or_a_link_in_the_directorys_place_is_a_halt(tmp_path: Path) -> None:
    prepare(tmp_path / "elsewhere")
    place = tmp_path / "killswitch"
    place.touch()
    assert look(tmp_path).halted
    place.unlink()
    place.symlink_to(tmp_path / "elsewhere" / "killswitch")
    state = look(tmp_path)
    assert (state.halted, state.is_absent) == (True, False)
    assert "is no directory but a link" in state.reason
    place.unlink()
    place.symlink_to(place)
    assert look(tmp_path).halted


def test_a_replaced_directory_is_looked_at_anew(root: Path) -> None:
    assert look(root) == CLEAR
    (root / "killswitch").rename(root / "old")
    assert look(root).halted
    prepare(root)
    throw(root, "in the new one", at=AT)
    assert look(root).halted


@pytest.mark.parametrize("name", ["a\0b", "x" * 5_000, "file/below"])
def test_a_root_that_is_no_path_is_a_halt(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    assert look(f"{tmp_path}/{name}").halted
    assert read(f"{tmp_path}/{name}").reason


@as_root
def test_a_look_at_a_directory_that_may_not_be_entered_is_a_halt(root: Path) -> None:
    program = (
        f"import os; from runtime.kill_switch import look; os.setuid({NOBODY}); print(look({str(root)!r}))"
    )
    root.chmod(0o700)
    said = run(program)
    assert "halted=True" in said


def test_a_look_needs_no_file_descriptor(root: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        clear = look(root)
        halt(root).symlink_to("nowhere")
        thrown = look(root)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (clear, thrown.halted) == (CLEAR, True)


# ---- throwing -----------------------------------------------------------------------------------


def test_a_thrown_switch_says_why_when_and_how_it_is_lifted(root: Path) -> None:
    assert throw(root, "odd fills\nin AAPL", at=AT) == ""
    assert read(root) == kill_switch.Order("odd fills in AAPL", False, "2018-03-05T15:00:00Z")
    assert "python -m runtime resume" in halt(root).read_text()
    assert halt(root).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (root / "killswitch").iterdir()] == ["HALT"]


def test_throwing_makes_a_root_that_is_not_there(tmp_path: Path) -> None:
    root = tmp_path / "a" / "b"
    throw(root, "", at=AT)
    assert look(root).halted
    assert read(root).reason == "none given"
    assert (root / "killswitch").stat().st_mode & 0o777 == 0o700


def test_an_order_to_flatten_is_not_taken_back_by_a_plain_halt(root: Path) -> None:
    throw(root, "first", flatten=True, at=AT)
    throw(root, "second", at=AT)
    assert read(root)[:2] == ("second", True)


def test_an_order_to_flatten_all_is_kept_and_means_flatten_too(root: Path) -> None:
    throw(root, "first", flatten=True, everything=True, at=AT)
    throw(root, "second", flatten=True, at=AT)
    order = read(root)
    assert (order.reason, order.flatten, order.everything) == ("second", True, True)


def test_an_order_to_flatten_is_not_one_to_flatten_all(root: Path) -> None:
    throw(root, "x", flatten=True, at=AT)
    assert not read(root).everything


@pytest.mark.parametrize("word", ["ALL OF IT", "alles", "yes all", ""])
def test_only_the_word_itself_flattens_all(root: Path, word: str) -> None:
    throw(root, "x", at=AT)
    path = root / "killswitch" / "HALT"
    path.write_text(f"reason: x\nflatten: {word}\n")
    assert (read(root).flatten, read(root).everything) == (False, False)


@given(st.text())
def test_any_reason_is_kept_on_one_printable_line(
    tmp_path_factory: pytest.TempPathFactory, reason: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "any reason"
    throw(root, reason, at=AT)
    order = read(root)
    assert order.reason.isprintable() and len(order.reason) <= 500
    assert (order.flatten, order.time) == (False, "2018-03-05T15:00:00Z")


def test_a_directory_under_the_name_stays_a_halt_when_thrown_again(root: Path) -> None:
    halt(root).mkdir()
    assert "was there already" in throw(root, "again", at=AT)
    assert look(root).halted


def test_a_disk_without_room_for_a_word_still_takes_the_halt_with_its_wish(root: Path) -> None:
    program = (
        "import resource; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); from runtime.kill_switch import throw; "
        f"print(throw({str(root)!r}, 'no room a/b', flatten=True, at={AT}))"
    )
    assert "no room for all its words" in run(program)
    assert look(root).halted
    assert read(root)[:2] == ("no room a-b", True)


@as_root
def test_a_halt_that_cannot_be_written_at_all_is_an_error(root: Path) -> None:
    root.chmod(0o755)
    (root / "killswitch").chmod(0o755)
    program = (
        f"import os; from runtime.kill_switch import throw; os.setuid({NOBODY})\n"
        f"try: throw({str(root)!r}, 'x', at={AT})\n"
        "except OSError as error: print(error.strerror)"
    )
    for parent in root.parents[:3]:
        parent.chmod(0o755)
    assert run(program) == "Permission denied\n"


def test_a_process_killed_while_throwing_leaves_no_half_of_a_file(root: Path) -> None:
    """The name appears with all its words or not at all: the words are written under another name."""
    seen: list[str] = []

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.rename" and str(root) in str(arguments[1]):
            seen.append(str(look(root).halted))
            seen.append(Path(str(arguments[0])).read_text())

    sys.addaudithook(audit)
    throw(root, "whole", at=AT)
    assert seen[0] == "False"
    assert seen[1].endswith("\n") and "reason: whole" in seen[1]


# ---- 50: lifting --------------------------------------------------------------------------------


def test_lifting_leaves_a_receipt_that_the_next_throw_takes_away(root: Path) -> None:
    throw(root, "x", at=AT)
    assert resumed_by(root) is None
    lift(root, "ann\n", at=AT)
    assert (look(root), resumed_by(root)) == (CLEAR, "ann")
    throw(root, "y", at=AT)
    assert resumed_by(root) is None


def test_a_removed_file_leaves_no_receipt(root: Path) -> None:
    throw(root, "x", at=AT)
    halt(root).unlink()
    assert (look(root), resumed_by(root)) == (CLEAR, None)


def test_lifting_makes_a_missing_directory(tmp_path: Path) -> None:
    lift(tmp_path, "ann", at=AT)
    assert look(tmp_path) == CLEAR


def test_where_nothing_can_be_written_the_file_is_named_that_could_not_be(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    throw(root, "x", at=AT)

    def refuse(*names: object, **_: object) -> int:
        raise PermissionError(13, "Permission denied", names[0])

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(NotLifted, match=r"RESUMED: Permission denied"):
        lift(root, "x", at=AT)


def test_lifting_twice_is_no_error(root: Path) -> None:
    lift(root, "ann", at=AT)
    lift(root, "ann", at=AT)


def test_a_directory_that_cannot_be_trusted_is_not_lifted(root: Path) -> None:
    (root / "killswitch").chmod(0o777)
    with pytest.raises(NotLifted, match="0777"):
        lift(root, "ann", at=AT)
    assert resumed_by(root) is None
    throw(root, "x", at=AT)
    with pytest.raises(NotLifted, match="0777"):
        lift(root, "ann", at=AT)


def test_a_directory_with_something_in_it_under_the_name_is_not_removed(root: Path) -> None:
    (halt(root) / "precious").mkdir(parents=True)
    with pytest.raises(NotLifted, match="not empty"):
        lift(root, "ann", at=AT)
    assert look(root).halted


@pytest.mark.parametrize("make", [pipe, dangling_link, directory])
def test_a_forged_receipt_counts_for_nothing(root: Path, make: Callable[[Path], None]) -> None:
    make(root / "killswitch" / "RESUMED")
    assert resumed_by(root) is None


# ---- what it needs ------------------------------------------------------------------------------


def test_it_imports_nothing_but_the_standard_library() -> None:
    said = run(
        "import runtime.kill_switch, sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    foreign = set(said.split()) - sys.stdlib_module_names - {"runtime", "__main__"}
    assert {name for name in foreign if not name.startswith(("_", "site"))} <= {"sitecustomize"}


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True,
        text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
