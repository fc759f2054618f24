"""`.env` is for its owner alone; what cannot be believed is refused, and no value is ever told."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.load import load
from config.secrets import from_environment, with_env_file

KEY, WORD = "PKCANARY0000", "canary/secret+word"


def written(folder: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path = folder / ".env"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def test_it_gives_keys_and_the_environment_wins(tmp_path: Path) -> None:
    path = written(
        tmp_path, f"ALPACA_API_KEY={KEY}\nexport ALPACA_SECRET_KEY='{WORD}' # mine\nLOG_LEVEL=debug\n"
    )
    found = with_env_file({"LOG_LEVEL": "ERROR", "HOME": "/h"}, path)
    assert found == {"ALPACA_API_KEY": KEY, "ALPACA_SECRET_KEY": WORD, "LOG_LEVEL": "ERROR", "HOME": "/h"}
    keys = from_environment(found)
    assert keys.secret_key is not None
    assert keys.secret_key.reveal() == WORD


def test_without_the_file_there_is_the_environment_alone(tmp_path: Path) -> None:
    assert with_env_file({"A": "1"}, tmp_path / ".env") == {"A": "1"}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=x", "x"),
        ("A = x y ", "x y"),
        ("A=", ""),
        ("A=x#y", "x#y"),
        ("A=x #y", "x"),
        ("A='x #y'", "x #y"),
        ("A=\"x='y'\"", "x='y'"),
        ("export\tA=x", "x"),
        ("A=$HOME", "$HOME"),
        ("\r\n# note\n\nA=x\r", "x"),
    ],
)
def test_a_line_is_read_as_people_write_it(tmp_path: Path, line: str, value: str) -> None:
    assert with_env_file({}, written(tmp_path, line + "\n")) == {"A": value}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o602, 0o777])
def test_a_file_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="chmod 600") as caught:
        with_env_file({}, written(tmp_path, f"ALPACA_SECRET_KEY={WORD}", mode))
    assert WORD not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to give files away")
def test_another_users_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "A=x")
    os.chown(path, 65_534, 65_534)
    with pytest.raises(ConfigError, match="belongs to user 65534"):
        with_env_file({}, path)


@pytest.mark.parametrize(
    "text", [f"{WORD}\n", f"A='{WORD}\n", f"1A={WORD}", f"A='x' {WORD}", b"A=\xff", b"x" * 200_000]
)
def test_what_is_no_line_is_refused_without_telling_it(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        with_env_file({}, written(tmp_path, text))
    assert WORD not in str(caught.value)


def test_a_directory_or_a_pipe_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(ConfigError):
        with_env_file({}, tmp_path / ".env")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="is no file"):
        with_env_file({}, tmp_path / "pipe")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = written(tmp_path_factory.getbasetemp(), content)
    try:
        found = with_env_file({}, path)
    except ConfigError:
        return
    assert all(name.isidentifier() for name in found)


def test_a_settings_file_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[breakers]\ndaily_loss = 0.01\n")
    path.chmod(0o664)
    assert load(path, environ={}).settings.breakers.daily_loss == 0.01
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="chmod o-w"):
        load(path, environ={})
