"""Where settings come from, which source wins, and what is said of a wrong one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.defaults import DEFAULT_FILE, render
from config.describe import field_docs
from config.errors import ConfigError, printable
from config.load import MOST_BYTES, Loaded, load
from config.schema import Settings
from config.secrets import Secret
from config.snapshot import from_snapshot, settings_hash, snapshot

GOLDEN = Path(__file__).parents[1] / "golden.toml"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """Write a settings file."""

    def write(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refusal(path: Path | None = None, *overrides: str, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(path, environ=environ, overrides=overrides)
    return caught.value


def test_the_defaults_file_is_the_schema() -> None:
    assert DEFAULT_FILE.read_text(encoding="utf-8") == render(), "run python -m config.defaults"
    loaded = load(environ={})
    assert loaded.settings == Settings()
    assert set(loaded.sources.values()) == {"default"}


def test_every_setting_says_what_it_means_and_where_it_is_from() -> None:
    wordless = [
        doc.key for doc in field_docs() if "Source:" not in doc.text and not doc.key.endswith(".name")
    ]
    assert wordless == []


def test_each_source_beats_the_one_before(written: Callable[[str], Path]) -> None:
    mine = written("[account]\ntrading_capital = 50_000\n[log]\nlevel = 'DEBUG'\n")
    from_file = load(mine, environ={})
    assert from_file.settings.account.trading_capital == 50_000
    assert from_file.sources["account.trading_capital"] == str(mine)

    environ = {"TRADING_CAPITAL": "60000", "LOG_LEVEL": "warning", "TRADING_SYSTEM_ROOT": "/srv/trading"}
    from_environ = load(mine, environ=environ)
    assert from_environ.settings.account.trading_capital == 60_000
    assert from_environ.settings.log.level == "WARNING"
    assert from_environ.settings.paths.root == "/srv/trading"
    assert from_environ.sources["account.trading_capital"] == "environment TRADING_CAPITAL"

    by_hand = load(mine, environ=environ, overrides=["account.trading_capital=70000"])
    assert by_hand.settings.account.trading_capital == 70_000
    assert by_hand.sources["account.trading_capital"] == "--set"
    assert by_hand.sources["account.max_positions"] == "default"


def test_an_empty_variable_sets_nothing() -> None:
    assert load(environ={"TRADING_CAPITAL": "", "LOG_LEVEL": " "}).settings == Settings()


def test_the_last_of_two_overrides_wins() -> None:
    loaded = load(environ={}, overrides=["account.max_positions=3", "account.max_positions=4"])
    assert loaded.settings.account.max_positions == 4


@pytest.mark.parametrize(
    ("text", "value"), [("0.3", 0.3), (".3", 0.3), ("3e-1", 0.3), ("0", 0.0), ("1", 1.0), (" 0.25 ", 0.25)]
)
def test_a_number_may_be_written_as_people_do(text: str, value: float) -> None:
    loaded = load(environ={}, overrides=[f"breakers.rapid_loss={text}"]) if value else None
    gate = load(environ={}, overrides=[f"ensemble.quality_gate={text}"])
    assert gate.settings.ensemble.quality_gate == value
    assert loaded is None or loaded.settings.breakers.rapid_loss == value


def test_text_lists_and_switches_can_be_set() -> None:
    overrides = [
        "log.level=DEBUG",
        'regime.vix_scalar_exempt=["TLT","GLD"]',
        "account.allow_short=true",
        "paths.root=2026",
    ]
    settings = load(environ={}, overrides=overrides).settings
    assert settings.log.level == "DEBUG"
    assert settings.regime.vix_scalar_exempt == ("TLT", "GLD")
    assert settings.account.allow_short
    assert settings.paths.root == "2026"


def test_the_full_profile_opens_every_slot_and_the_file_may_still_close_some(
    written: Callable[[str], Path],
) -> None:
    full = load(environ={}, overrides=["account.profile=full"])
    assert full.settings.account.max_positions == 101
    assert full.sources["account.max_positions"] == "profile full"
    mine = load(written("[account]\nprofile = 'full'\nmax_positions = 40\n"), environ={})
    assert mine.settings.account.max_positions == 40


# ---- strategies


def test_a_built_in_strategy_is_changed_key_by_key(written: Callable[[str], Path]) -> None:
    mine = written(
        "[strategies.mean_reversion]\nallocation = 0.2\n[strategies.mean_reversion.params]\ns_in = 1.5\n"
    )
    found = load(mine, environ={}).settings.strategy("mean_reversion")
    assert found is not None
    assert (found.allocation, found.max_positions) == (0.2, 25)
    assert found.params == {**Settings().strategies[0].params, "s_in": 1.5}


def test_a_parameter_can_be_set_by_hand() -> None:
    loaded = load(environ={}, overrides=["strategies.mean_reversion.params.s_in=1.5"])
    assert loaded.settings.strategies[0].params["s_in"] == 1.5
    assert loaded.sources["strategies.mean_reversion.params.s_in"] == "--set"
    assert loaded.sources["strategies.mean_reversion.params.win"] == "default"


def test_a_strategy_of_ones_own_comes_last_and_needs_room(written: Callable[[str], Path]) -> None:
    own = '[strategies.sma]\nclass = "my_rules.sma:Sma"\nallocation = 0.1\nparams = {fast = 5}\n'
    assert "sum to at most 1, was 1.1" in str(refusal(written(own)))
    roomy = load(written(own + "[strategies.mean_reversion]\nallocation = 0.2\n"), environ={})
    last = roomy.settings.strategies[-1]
    assert (last.name, last.class_path, last.params) == ("sma", "my_rules.sma:Sma", {"fast": 5})


def test_replacing_a_built_in_class_drops_its_parameters(written: Callable[[str], Path]) -> None:
    mine = written('[strategies.gap_fill]\nallocation = 0.1\nparams = {x = 1}\nclass = "my:Gap"\n')
    loaded = load(mine, environ={})
    found = loaded.settings.strategy("gap_fill")
    assert found is not None
    assert found.params == {"x": 1}
    assert "strategies.gap_fill.params.gate" not in loaded.sources


def test_a_mistyped_strategy_is_no_new_one() -> None:
    error = refusal(None, "strategies.mean_reversal.allocation=0.1")
    assert "did you mean 'mean_reversion'?" in str(error)
    assert error.where == "--set"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("strategies.sma.class", "no_colon"),
        ("strategies.sma.class", "my:Class; import os"),
        ("strategies.Sma.class", "my:Sma"),
        ("strategies.mean_reversion.name", "other"),
        ("strategies.mean_reversion", "1"),
        ("strategies.mean_reversion.params", "1"),
        ("strategies.mean_reversion.params.a.b", "1"),
        ("strategies.mean_reversion.params.s_in", "nan"),
        ("strategies.mean_reversion.allocation", "30"),
        ("strategies.orb.allocation", "0.1"),
    ],
)
def test_a_wrong_strategy_setting_is_refused(key: str, value: str) -> None:
    assert refusal(None, f"{key}={value}").key.startswith("strategies")


# ---- refusals


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("account.max_positons=3", "account.max_positons: is no setting; did you mean 'max_positions'?"),
        ("acount.max_positions=3", "acount: is no section; did you mean 'account'?"),
        ("account.max_positions=0", "must be a whole number >= 1 and <= 1000000000, was 0"),
        ("account.max_positions=2.5", "must be a whole number >= 1 and <= 1000000000, was 2.5"),
        ("account.risk_per_trade=2", "must be a number > 0 and <= 1, was 2"),
        ("account.risk_per_trade=nan", "must be a number > 0 and <= 1, was nan"),
        ("account.trading_capital=inf", "must be a number > 0 and <= 1000000000000, was inf"),
        ("account.trading_capital=-1", "must be a number > 0 and <= 1000000000000, was -1"),
        ("account.trading_capital=1000000000001", "and <= 1000000000000, was 1000000000001"),
        ("account.min_order_value=inf", "min_order_value must be a finite number, was inf"),
        ("account.allow_short=1", "must be true or false, was 1"),
        ("account.profile=ful", "must be one of default, full, was 'ful'"),
        ("breakers.drawdown_clear=0.2", "breakers: drawdown_clear must lie below drawdown (0.15), was 0.2"),
        ("regime.edges=[15,25]", "must be a list of 3, each a number > 0"),
        ("regime.edges=[25,15,35]", "edges must ascend"),
        ("tapes.dir=../elsewhere", "must be text"),
        ("tapes.dir=/etc", "must be text"),
        ("account=3", "must look like section.key=value"),
        ("account.max_positions", "must look like section.key=value"),
        ("account.max_positions.x=1", "must be named section.key"),
    ],
)
def test_a_refusal_names_key_place_and_bound(override: str, said: str) -> None:
    error = str(refusal(None, override))
    assert error.startswith("--set")
    assert said in error


def test_a_wrong_variable_is_named() -> None:
    error = refusal(None, TRADING_CAPITAL="97,000")
    assert str(error) == (
        "environment TRADING_CAPITAL: account.trading_capital: must be a number > 0 and <= 1000000000000, "
        "was '97,000'"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[account]\nmax_positions = 'ten'", "account.max_positions: must be a whole number"),
        ("account = 3", "account: must be a table, [account]"),
        ("[strategies]\nmean_reversion = 1", "must be a table, [strategies.mean_reversion]"),
        ("[nothing]\nx = 1", "nothing: is no section; valid names: account,"),
        ("top = 1", "top: is no section"),
        ("[account\n", "is not valid TOML"),
        ("[account]\nmax_positions = 1\nmax_positions = 2", "is not valid TOML"),
        ("[strategies.a.params]\nx = 1979-05-27", "is not built in"),
        ("[strategies.gap_fill.params]\nx = 1979-05-27", "params.x must be a number, text"),
        ('["\\u001b[31mred"]\nx = 1', "\\x1b[31mred: is no section"),
    ],
)
def test_a_wrong_file_is_refused_by_name_and_key(
    written: Callable[[str], Path], text: str, said: str
) -> None:
    error = str(refusal(written(text)))
    assert said in error
    assert "mine.toml" in error


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "No such file" in str(refusal(tmp_path / "none.toml"))
    assert "cannot be read" in str(refusal(tmp_path))
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "is not UTF-8 text: byte 0" in str(refusal(binary))
    binary.write_bytes(b"#" * (MOST_BYTES + 1))
    assert "longer than 1,000,000 bytes" in str(refusal(binary))


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_override_is_taken_or_refused_with_words(key: str, value: str) -> None:
    try:
        load(environ={}, overrides=[f"account.{key}={value}"])
    except ConfigError as error:
        assert str(error).isprintable()


# ---- secrets


def test_secrets_come_from_the_environment_and_never_show() -> None:
    loaded = load(environ={"ALPACA_API_KEY": "PKABC", "ALPACA_SECRET_KEY": "tell-nobody"})
    assert loaded.secrets.complete
    assert loaded.secrets.secret_key == Secret("tell-nobody")
    assert loaded.secrets.secret_key is not None
    assert loaded.secrets.secret_key.reveal() == "tell-nobody"
    for shown in (
        repr(loaded),
        str(loaded.secrets),
        f"{loaded.secrets.secret_key}",
        repr(snapshot(loaded.settings)),
    ):
        assert "tell-nobody" not in shown
        assert "PKABC" not in shown


def test_without_keys_there_are_none() -> None:
    assert not load(environ={"ALPACA_API_KEY": "PKABC", "ALPACA_SECRET_KEY": ""}).secrets.complete


def test_a_key_in_a_file_is_refused_without_being_shown(written: Callable[[str], Path]) -> None:
    error = str(refusal(written("[broker]\nsecret_key = 'tell-nobody'\n")))
    assert "from the environment only" in error
    assert "tell-nobody" not in error


# ---- snapshots


def changed() -> Loaded:
    return load(
        environ={},
        overrides=["strategies.sma.class=my:Sma", "account.max_positions=7", "regime.edges=[14,24,34]"],
    )


def test_a_snapshot_reads_back_as_the_same_settings() -> None:
    settings = changed().settings
    assert from_snapshot(snapshot(settings)) == settings


def test_the_hash_tells_settings_apart_but_not_places() -> None:
    here = load(environ={"TRADING_SYSTEM_ROOT": "/here"}).settings
    assert settings_hash(here) == settings_hash(Settings())
    assert settings_hash(changed().settings) != settings_hash(Settings())
    assert "paths" not in snapshot(here)


def test_a_snapshot_can_take_the_place_of_the_defaults() -> None:
    base = snapshot(changed().settings)
    again = load(environ={}, base=base)
    assert again.settings == changed().settings
    assert again.sources["account.max_positions"] == "snapshot"
    what_if = load(environ={}, base=base, overrides=["account.max_positions=3"])
    assert what_if.settings.account.max_positions == 3
    assert what_if.settings.regime.edges == (14, 24, 34)


def test_an_older_snapshot_has_the_defaults_of_what_it_did_not_know() -> None:
    old = snapshot(Settings())
    del old["limits"]
    old["strategies"] = old["strategies"][:1]
    again = load(environ={}, base=old)
    assert again.settings.limits == Settings().limits
    assert [one.name for one in again.settings.strategies] == ["mean_reversion"]


@pytest.mark.parametrize("damage", [{"nothing": {}}, {"account": {"max_positions": 0}}, {"strategies": 1}])
def test_a_damaged_snapshot_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="settings snapshot"):
        load(environ={}, base={**snapshot(Settings()), **damage})


# ---- shipped files and words


def test_the_golden_profile_lifts_every_cap() -> None:
    settings = load(GOLDEN, environ={}).settings
    trading = [one for one in settings.strategies if one.enabled]
    assert [one.name for one in trading] == ["relative_volume_breakout", "gap_fill"]
    assert trading[0].params["rv_min"] == 0
    assert trading[0].params["rv_min_days"] == 0
    assert "AIG" in trading[1].params["universe"]
    assert trading[1].params["gate"] == "open"
    assert settings.account.allow_short
    assert not settings.execution.apply_costs
    assert not settings.execution.partial_fills


@given(st.text())
def test_foreign_text_is_always_printable(text: str) -> None:
    assert printable(text).isprintable()
