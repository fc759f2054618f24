"""`config show` and `config check` as a person or a script uses them."""

import argparse
import json
from pathlib import Path

import pytest

from config.load import ENVIRONMENT
from config.schema import Settings
from config.secrets import API_KEY, SECRET_KEY
from config.snapshot import settings_hash
from tui.commands import config
from tui.commands.exits import CONFIG, DATA
from tui.commands.main import main

GOLDEN = Path(__file__).parents[2] / "golden.toml"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ENVIRONMENT, API_KEY, SECRET_KEY):
        monkeypatch.delenv(name, raising=False)


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    config.add(parser.add_subparsers(required=True))
    arguments = parser.parse_args(["config", *words])
    code: int = arguments.run(arguments)
    return code


def test_show_prints_every_setting_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "--set", "breakers.daily_loss=0.01") == 0
    lines = capsys.readouterr().out.splitlines()
    shown = {line.split()[0]: line.split(" = ")[1] for line in lines if " = " in line}
    assert shown["breakers.daily_loss"] == "0.01  # --set"
    assert shown["account.trading_capital"] == "97000.0  # default"
    assert shown["strategies.mean_reversion.params.win"] == "60  # default"
    assert shown["strategies.gap_fill.class"] == '""  # default'
    assert sum(key.startswith("strategies.") and key.endswith(".allocation") for key in shown) == 11
    assert any(line.startswith("ALPACA_API_KEY") and line.endswith("not set") for line in lines)


def test_a_rule_for_a_sink_without_an_address_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--set", 'alerts.rules=[{sinks=["pager"]}]') == 0
    assert "without an address in the environment: pager" in capsys.readouterr().out
    assert run("check", "--set", 'alerts.rules=[{evnts=["error"]}]') == CONFIG
    shown = capsys.readouterr().err
    assert "alerts.rules" in shown
    assert "evnts" in shown.partition("was")[2]


def test_show_can_be_narrowed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "account.max", "log") == 0
    keys = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert keys == [
        "account.max_position_size",
        "account.max_positions",
        "account.max_position_pct",
        "account.max_adv_frac",
        "log.level",
        "log.dir",
        "log.most_bytes",
        "log.kept",
    ]


def test_a_narrowing_that_fits_nothing_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "acount") == CONFIG
    assert "did you mean 'account'?" in capsys.readouterr().err


def test_show_as_json_has_bounds_and_meanings(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "--json", "--config", str(GOLDEN)) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {row["key"]: row for row in found["settings"]}
    assert rows["breakers.daily_loss"]["bound"] == "a number > 0 and <= 1"
    assert rows["breakers.daily_loss"]["source"] == str(GOLDEN)
    assert all(row["text"] for key, row in rows.items() if ".params." not in key)
    assert found["settings_hash"] != settings_hash(Settings())


def test_secrets_are_never_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPACA_API_KEY", "PKABC")
    monkeypatch.setenv("ALPACA_SECRET_KEY", "tell-nobody")
    for words in (["show"], ["show", "--json"], ["check"], ["check", "--json"]):
        assert run(*words) == 0
        out = capsys.readouterr().out
        assert "tell-nobody" not in out
        assert "PKABC" not in out


def test_check_says_what_the_settings_amount_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check") == 0
    out = capsys.readouterr().out
    assert f"settings are valid, hash {settings_hash(Settings())}" in out
    assert "8 strategies enabled with 1 of the equity" in out
    assert "maxima sum to 101, account.max_positions allows 10" in out
    assert "without slots: vol_managed_momentum" in out
    assert "keys are not set: demo and replay only" in out


def test_check_lets_a_built_in_strategy_judge_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--set", "strategies.gap_fill.params.gap_mn=0.001") == CONFIG
    assert "strategies.gap_fill.params: unknown parameter 'gap_mn': did you mean 'gap_min'?" in (
        capsys.readouterr().err
    )


def test_check_warns_of_real_money_and_idle_strategies(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run("check", "--set", "broker.mode=live", "--set", "strategies.gap_fill.allocation=0", "--json") == 0
    )
    notes = " ".join(json.loads(capsys.readouterr().out)["notes"])
    assert "real money" in notes
    assert "without an allocation, so without orders: gap_fill" in notes


def test_a_refused_setting_ends_with_its_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--set", "account.max_positons=3") == CONFIG == 3
    assert capsys.readouterr().err == (
        "error: --set: account.max_positons: is no setting; did you mean 'max_positions'?\n"
    )
    assert run("show", "--json", "--set", "account.max_positons=3") == CONFIG
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["key"], found["where"]) == (False, "account.max_positons", "--set")


OWN = ["--set", "strategies.own.allocation=0", "--set"]


def test_check_looks_at_a_strategy_of_ones_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_rules.py").write_text(
        "import msgspec\n"
        "from actors.strategies.base import Strategy\n"
        "class Params(msgspec.Struct, frozen=True):\n"
        "    fast: int\n"
        "class Sma(Strategy):\n"
        "    Params = Params\n"
    )
    (tmp_path / "own_broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert (
        run("check", *OWN, "strategies.own.class=own_rules:Sma", "--set", "strategies.own.params.fast=5") == 0
    )
    capsys.readouterr()
    for path, said in [
        ("own_rules:Smaa", "'own_rules:Smaa' cannot be imported: module 'own_rules' has no attribute 'Smaa'"),
        ("own_rules:Params", "'own_rules:Params' is no subclass of actors.strategies.base.Strategy"),
        ("own_rules:Sma", "strategies.own.params: Object missing required field `fast`"),
        ("own_broken:Sma", "'own_broken:Sma' cannot be imported: ZeroDivisionError"),
        ("not_there_at_all:Sma", "cannot be imported: No module named 'not_there_at_all'"),
    ]:
        assert run("check", *OWN, f"strategies.own.class={path}") == CONFIG
        assert said in capsys.readouterr().err


def test_a_tapes_settings_are_not_changed_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from config.snapshot import snapshot

    monkeypatch.setenv("TRADING_CAPITAL", "1")
    parser = argparse.ArgumentParser()
    config.add_settings_arguments(parser)
    loaded = config.load_settings(parser.parse_args([]), base=snapshot(Settings()))
    assert loaded.settings.account.trading_capital == 97_000


def test_init_writes_a_file_for_its_owner_only_and_never_over_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    assert main(["config", "init", str(path)]) == 0
    assert f"--config {path}" in capsys.readouterr().out
    assert path.stat().st_mode & 0o777 == 0o600
    assert main(["config", "check", "--config", str(path)]) == 0
    path.write_text("# mine\n")
    assert main(["config", "init", str(path)]) == DATA
    assert "is there already and is left as it is" in capsys.readouterr().err
    assert path.read_text() == "# mine\n"
    assert main(["config", "init", str(tmp_path / "none" / "x.toml")]) == DATA
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert main(["config", "init", str(tmp_path / "link")]) == DATA
    assert not (tmp_path / "elsewhere").exists()


def test_the_file_may_be_named_by_the_environment_and_an_option_beats_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("a", 0.01), ("b", 0.015)):
        (tmp_path / name).write_text(f"[breakers]\ndaily_loss = {value}\n")
    monkeypatch.setenv("RUNTIME_CONFIG", str(tmp_path / "a"))
    assert main(["config", "show", "breakers.daily_loss"]) == 0
    assert capsys.readouterr().out == f"breakers.daily_loss = 0.01  # {tmp_path / 'a'}\n"
    assert main(["config", "show", "-c", str(tmp_path / "b"), "breakers.daily_loss"]) == 0
    assert capsys.readouterr().out == f"breakers.daily_loss = 0.015  # {tmp_path / 'b'}\n"


def test_what_the_env_file_gives_is_told_apart_and_no_key_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    env = tmp_path / ".env"
    env.touch(mode=0o600)
    env.write_text(
        "LOG_LEVEL=debug\nTRADING_CAPITAL=5\nALPACA_API_KEY=PKHIDDEN1\nALPACA_SECRET_KEY=hidden2\n"
    )
    monkeypatch.setenv("TRADING_SYSTEM_ROOT", str(tmp_path))
    monkeypatch.setenv("TRADING_CAPITAL", "7000")
    for words in (["show"], ["show", "--json"], ["check"], ["check", "--json"]):
        assert main(["config", *words]) == 0
        shown = capsys.readouterr().out
        assert "HIDDEN" not in shown.upper()
        if words == ["show"]:
            assert 'log.level = "DEBUG" # .env LOG_LEVEL' in " ".join(shown.split())
            assert "account.trading_capital = 7000.0 # environment TRADING_CAPITAL" in " ".join(shown.split())
            assert "ALPACA_API_KEY : set" in " ".join(shown.split())
    env.chmod(0o644)
    assert main(["config", "show"]) == CONFIG
    assert "chmod 600" in capsys.readouterr().err
