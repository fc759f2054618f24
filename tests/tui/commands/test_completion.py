"""The completion scripts, tried in the shells that are here."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tui.commands.test_main import environment
from tui.commands import exits
from tui.commands.main import COMMANDS, main

TRY = """
source {script}
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) COMPREPLY=()
$(complete -p runtime | sed 's/.*-F \\([^ ]*\\).*/\\1/') runtime "${{COMP_WORDS[-1]}}" "${{COMP_WORDS[-2]}}"
echo "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("completion")


def script(shell: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["completion", shell]) == exits.OK
    shown = capsys.readouterr()
    assert shown.err == ""
    path = folder / shell
    path.write_text(shown.out)
    return path


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ('runtime ""', set(COMMANDS)),
        ("runtime hal", {"halt"}),
        ("runtime config sh", {"show"}),
        ("runtime status --js", {"--json"}),
        ('runtime completion ""', {"bash", "zsh"}),
    ],
)
def test_bash_completes_commands_and_options(
    words: str, offered: set[str], scripts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = script("bash", scripts, capsys)
    done = subprocess.run(
        ["bash", "--norc", "-c", TRY.format(script=path, words=words)],
        env=environment(), capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert offered <= set(done.stdout.split())


def test_the_script_for_zsh_is_one(scripts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = script("zsh", scripts, capsys)
    text = path.read_text()
    assert text.startswith("#compdef runtime")
    assert all(f"{name}:" in text for name in COMMANDS)
    if shutil.which("zsh"):
        subprocess.run(["zsh", "-n", str(path)], check=True, timeout=200)


def test_only_known_shells_are_served(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "fish"]) == exits.USAGE
    capsys.readouterr()
