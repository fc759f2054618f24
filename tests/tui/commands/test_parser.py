"""Words of the command line: what is refused, what is guessed, what every command understands."""

import os

import pytest

from tui.commands import exits, narration
from tui.commands.main import COMMANDS, build, main
from tui.commands.parser import leaves

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def normal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "NO_COLOR", "")
    narration.ask_for(quiet=False, verbose=False)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["status", "--josn"], "did you mean --json?"),
        (["demo", "--heedless"], "did you mean --headless?"),
        (["--hedless"], "did you mean --headless?"),
        (["config", "show", "--cofig=x"], "did you mean --config?"),
        (["stauts"], "no command 'stauts', did you mean 'status'?"),
        (["completion", "basch"], "did you mean 'bash'?"),
    ],
)
def test_a_mistyped_word_names_the_one_meant(words: list[str], meant: str, capsys: Captured) -> None:
    assert main(words) == exits.USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert meant in shown.err


def test_an_unknown_option_is_refused_with_the_usage_of_its_own_command(capsys: Captured) -> None:
    assert main(["halt", "--xyzzy"]) == exits.USAGE
    assert capsys.readouterr().err.startswith("usage: python -m runtime halt")


@pytest.mark.parametrize("word", ["--jso", "--roo", "--verb"])
def test_options_cannot_be_abbreviated(word: str, capsys: Captured) -> None:
    assert main(["status", word]) == exits.USAGE
    assert "unrecognized arguments" in capsys.readouterr().err


def test_a_hostile_word_comes_back_inert(capsys: Captured) -> None:
    assert main(["status", "--\x1b]0;title\x07"]) == exits.USAGE
    assert main(["\x1b[2J"]) == exits.USAGE
    assert "\x1b" not in capsys.readouterr().err


def test_every_command_says_its_exit_codes_in_its_help() -> None:
    for leaf in leaves(build()):
        assert (leaf.epilog or "").lower().startswith("exit codes: "), leaf.prog


def test_every_command_that_tells_something_tells_machines_too() -> None:
    silent = {
        leaf.prog.removeprefix("python -m runtime ")
        for leaf in leaves(build())
        if "--json" not in leaf.format_help()
    }
    assert silent <= {"run", "tui", "config init", "completion"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_the_common_options_behind_and_before(name: str, capsys: Captured) -> None:
    for words in ([name, "-q", "-v", "--no-color", "--help"], ["-q", "--no-color", name, "--help"]):
        assert main(words) == exits.OK
        assert capsys.readouterr().out.startswith(f"usage: python -m runtime {name}")


def test_no_color_before_or_behind_the_command_means_plain_text(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    for words in (["--no-color", "config", "show", "tapes"], ["config", "show", "tapes", "--no-color"]):
        monkeypatch.setitem(os.environ, "NO_COLOR", "")
        assert main(words) == exits.OK
        assert os.environ["NO_COLOR"] == "1"
    capsys.readouterr()


def test_an_error_is_told_with_its_traceback_only_when_asked(tmp_path: object, capsys: Captured) -> None:
    assert main(["status", "--root", str(tmp_path)]) == exits.DATA
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["status", "-v", "--root", str(tmp_path)]) == exits.DATA
    shown = capsys.readouterr()
    assert "Traceback" in shown.err
    assert shown.out == ""


def test_quiet_beats_verbose_and_narration_needs_no_listener(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    narration.ask_for(quiet=True, verbose=True)
    narration.say("nothing")
    assert capsys.readouterr().err == ""
    narration.ask_for(quiet=False, verbose=False)
    narration.detail("nothing")
    narration.say("something")
    assert capsys.readouterr().err == "something\n"
    monkeypatch.setattr("sys.stderr", None)
    narration.say("nobody hears it")
