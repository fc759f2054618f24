"""`check`: each line can pass, warn and fail, names what mends it, and never shows a key."""

import asyncio
import json
import os
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from actors.market.calendar import previous_session
from config.load import load
from runtime import kill_switch
from runtime.kernel.clock import LiveClock, ReplayClock
from storage.books import Books
from storage.lock import RootLock
from tests.alpaca_server.server import AlpacaServer
from tests.demo_run import demo
from tests.storage.loaders.made import daily_rows, write
from tui.commands import broker_checklist, checklist, exits
from tui.commands.checklist import Start
from tui.commands.main import main

NOW = LiveClock().now()
TODAY = datetime.fromtimestamp(NOW // 10**9, UTC).date()
KEYS = {"ALPACA_API_KEY": "PKLOOPBACK0000000000", "ALPACA_SECRET_KEY": "loopback-secret-0123456789abcdef"}
Captured = pytest.CaptureFixture[str]
Found = dict[str, dict[str, str]]


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("ALPACA_", "TRADING_")):
            monkeypatch.delenv(name)


def check(root: Path, *words: str, capsys: Captured) -> tuple[int, Found]:
    code = main(["check", "--json", "--root", str(root), *words])
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == 1
    assert said["ok"] is (code == exits.OK)
    return code, {row["name"]: row for row in said["checks"]}


def offline(root: Path, *words: str, capsys: Captured) -> Found:
    return check(root, "--offline", *words, capsys=capsys)[1]


# ---- without the broker ---------------------------------------------------------------------------


def test_a_new_root_with_keys_passes_and_says_what_was_not_asked(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    code, found = check(tmp_path, "--offline", capsys=capsys)
    assert code == exits.OK
    assert {row["verdict"] for row in found.values()} <= {"PASS", "WARN", "SKIP"}
    assert "not asked (--offline)" in found["broker"]["words"]
    assert list(found)[:5] == ["settings", "keys", "live money", "allocations", "calendar"]
    assert not (tmp_path / "killswitch").exists()  # it only looks


def test_the_text_has_one_line_each_with_the_fix(tmp_path: Path, capsys: Captured) -> None:
    assert main(["check", "--offline", "--root", str(tmp_path)]) == exits.UNHEALTHY
    lines = capsys.readouterr().out.splitlines()
    keys = next(line for line in lines if " keys " in line)
    assert keys.startswith("FAIL  keys ")
    assert keys.endswith(f"-> set them in the environment, or in {tmp_path}/.env with mode 600")
    assert all(line.split()[0] in ("PASS", "WARN", "FAIL", "SKIP") for line in lines)


def test_keys_come_from_an_env_file_that_only_its_owner_reads(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / ".env"
    path.write_text("".join(f"{name}={value}\n" for name, value in KEYS.items()))
    path.chmod(0o600)
    assert offline(tmp_path, capsys=capsys)["keys"]["verdict"] == "PASS"
    path.chmod(0o644)
    found = offline(tmp_path, capsys=capsys)
    assert (found[".env"]["verdict"], found["keys"]["verdict"]) == ("FAIL", "FAIL")
    assert "chmod 600" in found[".env"]["words"]


def test_wrong_settings_fail_and_the_root_is_looked_at_all_the_same(tmp_path: Path, capsys: Captured) -> None:
    found = offline(tmp_path, "--set", "breakers.daily_loss=2", capsys=capsys)
    assert found["settings"]["verdict"] == "FAIL"
    assert "breakers.daily_loss" in found["settings"]["words"]
    assert list(found) == ["settings", "disk", "kill switch", "engine"]


def test_real_money_is_refused_as_at_a_start(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = offline(tmp_path, "--set", 'broker.mode="live"', capsys=capsys)
    assert found["live money"]["verdict"] == "FAIL"
    file = tmp_path / "mine.toml"
    file.write_text('[broker]\nmode = "live"\n')
    monkeypatch.setenv("TRADING_LIVE_ACCOUNT", "123456789")
    found = offline(tmp_path, "--config", str(file), "--live", capsys=capsys)
    assert found["live money"] == {
        "name": "live money",
        "verdict": "WARN",
        "words": "orders move the real money of account 123456789",
        "fix": "",
    }


def test_allocations_that_leave_equity_idle_are_a_warning(tmp_path: Path, capsys: Captured) -> None:
    words = ("--set", "strategies.mean_reversion.enabled=false")
    found = offline(tmp_path, *words, capsys=capsys)
    assert found["allocations"]["verdict"] == "WARN"
    assert "0.7 of the equity" in found["allocations"]["words"]


def test_a_thrown_switch_fails_with_its_reason_and_remedy(tmp_path: Path, capsys: Captured) -> None:
    kill_switch.throw(tmp_path, "odd fills", at=1_520_262_000_000_000_000)
    line = offline(tmp_path, capsys=capsys)["kill switch"]
    assert line["verdict"] == "FAIL"
    assert line["words"] == "trading is halted since 2018-03-05T15:00:00Z: odd fills"
    assert line["fix"] == "python -m runtime resume"
    kill_switch.lift(tmp_path, "ann", at=0)
    (tmp_path / "killswitch").chmod(0o777)
    line = offline(tmp_path, capsys=capsys)["kill switch"]
    assert line["verdict"] == "FAIL"
    assert "chmod 700" in line["words"]


def test_a_switch_missing_where_books_are_is_a_halt(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "db").mkdir()
    assert offline(tmp_path, capsys=capsys)["kill switch"]["verdict"] == "FAIL"


def test_books_are_an_accounts_and_readable(tmp_path: Path, capsys: Captured) -> None:
    with Books(tmp_path / "mine", "paper:PA1"):
        pass
    line = offline(tmp_path / "mine", capsys=capsys)["database trades"]
    assert line["verdict"] == "PASS"
    assert line["words"].startswith("books of paper:PA1, schema ")
    (tmp_path / "mine" / "db" / "trades.db").chmod(0o644)
    assert offline(tmp_path / "mine", capsys=capsys)["database trades"]["verdict"] == "WARN"
    shutil.copytree(demo()[0] / "db", tmp_path / "demo" / "db")
    assert offline(tmp_path / "demo", capsys=capsys)["database trades"]["fix"] == "choose another root"
    (tmp_path / "torn" / "db").mkdir(parents=True)
    (tmp_path / "torn" / "db" / "trades.db").write_bytes(b"not a database at all" * 100)
    assert offline(tmp_path / "torn", capsys=capsys)["database trades"]["verdict"] == "FAIL"


def test_a_root_where_somebody_works_is_a_warning(tmp_path: Path, capsys: Captured) -> None:
    with RootLock(tmp_path):
        line = offline(tmp_path, capsys=capsys)["engine"]
    assert (line["verdict"], line["words"]) == ("WARN", f"process {os.getpid()} is at work in this root")


@pytest.mark.parametrize(("free", "verdict"), [(10**10, "PASS"), (2 * 10**9, "WARN"), (10**8, "FAIL")])
def test_room_on_the_disk(free: int, verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 0, free))
    assert checklist.disk(tmp_path / "not" / "there").verdict == verdict


@pytest.mark.parametrize(("last", "verdict"), [("previous", "PASS"), ("2018-03-02", "WARN")])
def test_the_newest_daily_bar_is_the_last_sessions(
    last: str, verdict: str, tmp_path: Path, capsys: Captured
) -> None:
    day = previous_session(TODAY.isoformat()) if last == "previous" else last
    folder = tmp_path / "data" / "historical"
    for name in ("daily_yahoo", "vix"):
        (folder / name).mkdir(parents=True)
        write(folder / name / "x.parquet", daily_rows("AA", [day], [10.0]))
    found = offline(tmp_path, capsys=capsys)
    assert (found["daily data"]["verdict"], found["VIX data"]["verdict"]) == (verdict, verdict)
    assert day in found["daily data"]["words"]


def test_a_file_that_is_no_parquet_fails(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "data" / "historical" / "vix").mkdir(parents=True)
    (tmp_path / "data" / "historical" / "vix" / "x.parquet").write_text("no")
    assert offline(tmp_path, capsys=capsys)["VIX data"]["verdict"] == "FAIL"


def test_a_check_that_breaks_is_a_failed_line_and_no_more(tmp_path: Path) -> None:
    def broken() -> checklist.Line:
        raise RuntimeError("no such thing")

    line = checklist.run("x", broken)
    assert (line.verdict, line.words) == ("FAIL", "could not be checked: RuntimeError: no such thing")
    assert line.fix


def test_a_calendar_that_ends_soon_fails(tmp_path: Path) -> None:
    start = Start(root=tmp_path, loaded=load(environ={}), environ={}, live=False, now=4_000_000_000 * 10**9)
    assert checklist.calendar(start).verdict == "FAIL"


# ---- with the broker ------------------------------------------------------------------------------


async def online(
    server: AlpacaServer,
    root: Path,
    *words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
    **more: str,
) -> tuple[int, Found]:
    for name, value in {**server.urls.environment(), **KEYS, **more}.items():
        monkeypatch.setenv(name, value)
    return await asyncio.to_thread(check, root, *words, capsys=capsys)


def real_time() -> str:
    return datetime.now(UTC).isoformat()  # noqa: TID251 - the server's clock is to be the wall clock


Options = dict[str, Any]


@pytest.mark.parametrize(
    ("name", "options", "words", "verdict", "said"),
    [
        ("account", {}, (), "PASS", "PA3LOOPBACK1, equity 100,000.00 USD"),
        ("account", {"cash": Decimal(1_000)}, (), "WARN", "less than account.trading_capital 97,000.00"),
        (
            "account",
            {"shorting_enabled": False},
            ("--set", "account.allow_short=true"),
            "WARN",
            "may not sell short",
        ),
        ("account", {"key": "PKOTHER"}, (), "FAIL", "the keys were refused"),
        ("clock", {}, (), "PASS", "of the broker's"),
        ("clock", {"start": "2018-03-05T09:25:00-05:00"}, (), "WARN", "ahead of the broker's"),
        ("broker calendar", {}, (), "PASS", "agrees until"),
        (
            "broker calendar",
            {"start": "2018-03-05T09:25:00-05:00"},
            (),
            "PASS",
            "agrees until 2018-03-15",
        ),
        ("data plan", {"sip": False}, (), "PASS", "feed iex, the free plan, 30 symbols"),
        (
            "data plan",
            {"sip": False},
            ("--set", "data.stream_symbols=0"),
            "FAIL",
            "feed iex, the free plan, no limit",
        ),
        ("data plan", {"sip": False}, ("--set", "data.feed=sip"), "FAIL", "feed sip is refused"),
        (
            "data plan",
            {},
            ("--set", "data.feed=sip", "--set", "data.stream_symbols=0"),
            "PASS",
            "a paid plan",
        ),
        ("data plan", {}, (), "WARN", "a paid plan"),
    ],
)
async def test_what_the_broker_says_becomes_a_line(
    name: str,
    options: Options,
    words: tuple[str, ...],
    verdict: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    async with AlpacaServer(**{"start": real_time(), "speed": 1.0, **options}) as server:
        _, found = await online(server, tmp_path, *words, monkeypatch=monkeypatch, capsys=capsys)
    assert said in found[name]["words"]
    assert found[name]["verdict"] == verdict


BEFORE_THANKSGIVING = "2026-11-23T09:25:00-05:00"


@pytest.mark.parametrize(
    ("day", "hours", "verdict", "said"),
    [
        ("2026-11-27", ("09:30", "13:00"), "PASS", "agrees until 2026-12-03"),
        ("2026-11-27", ("09:30", "16:00"), "WARN", "names no early close on 2026-11-27"),
        ("2026-11-27", ("09:30", "12:00"), "FAIL", "hours on 2026-11-27"),
        ("2026-11-27", ("10:30", "16:00"), "FAIL", "hours on 2026-11-27"),
        ("2026-11-27", ("09:30", None), "FAIL", "hours on 2026-11-27"),
        ("2026-11-25", ("09:30", "13:00"), "FAIL", "hours on 2026-11-25"),
        ("2026-11-25", ("09:30", "17:00"), "FAIL", "hours on 2026-11-25"),
        ("2026-11-25", ("09:30", "noon"), "FAIL", "hours on 2026-11-25"),
    ],
)
async def test_only_a_close_that_our_calendar_has_earlier_is_no_failure(
    day: str,
    hours: tuple[str, str | None],
    verdict: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    """A simulated broker may know no early closes; trading past the broker's own close would be worse."""

    def changed(rows: list[dict[str, object]]) -> list[dict[str, object]]:
        told = {"open": hours[0], "close": hours[1]}
        return [{**row, **(told if row["date"] == day else {})} for row in rows]

    async with AlpacaServer(start=BEFORE_THANKSGIVING, speed=1.0) as server:
        server.faults.add("edit", "GET /v2/calendar", times=None, change=changed)
        _, found = await online(server, tmp_path, monkeypatch=monkeypatch, capsys=capsys)
    line = found["broker calendar"]
    assert (line["verdict"], said in line["words"]) == (verdict, True)


async def test_a_clock_that_is_off_fails_where_the_broker_is_not_on_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from actors.broker.rest import Rest
    from config.secrets import from_environment

    async with AlpacaServer(start=real_time()) as server:  # both clocks stand: no answer is late
        rest = Rest(server.urls.trading, from_environment(KEYS), LiveClock())
        seen = []
        for seconds in (0.0, 1.0, -1.5, 10.0, -10.0):
            server.clock.skew_ns = round(seconds * 1e9)
            line = await broker_checklist.skew(rest, ReplayClock(server.clock.now()), is_loopback=False)
            seen.append((line.verdict, "ahead" in line.words))
        await rest.aclose()
    assert seen == [("PASS", False), ("WARN", False), ("WARN", True), ("FAIL", False), ("FAIL", True)]


async def test_a_broker_that_does_not_answer_fails_each_line_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    async with AlpacaServer(start=real_time(), speed=1.0) as server:
        server.faults.add("server_error_before", "*", times=None)
        code, found = await online(server, tmp_path, monkeypatch=monkeypatch, capsys=capsys)
    assert code == exits.UNHEALTHY
    for name in broker_checklist.NAMES:
        assert found[name]["verdict"] == "FAIL"
        assert "status 500" in found[name]["words"]
        assert found[name]["fix"]


async def test_a_broker_that_refuses_to_answer_is_a_failed_line_with_a_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    async with AlpacaServer(start=real_time(), speed=1.0) as server:
        server.faults.add("refuse", "GET /v2/*", times=None, status=403, code=40310000, message="not yours")
        code, found = await online(server, tmp_path, monkeypatch=monkeypatch, capsys=capsys)
    assert code == exits.UNHEALTHY
    for name in broker_checklist.NAMES:
        assert (found[name]["verdict"], bool(found[name]["fix"])) == ("FAIL", True), found[name]
        assert "not yours" in found[name]["words"]


async def test_an_account_that_may_not_trade_fails_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    async with AlpacaServer(start=real_time(), speed=1.0) as server:
        account = server.broker.account
        account.configurations["suspend_trade"] = True
        _, found = await online(server, tmp_path, monkeypatch=monkeypatch, capsys=capsys)
        assert found["account"]["words"].endswith("may not trade: status ACTIVE trade_suspended_by_user")
        account.trading_blocked = True
        _, found = await online(server, tmp_path, monkeypatch=monkeypatch, capsys=capsys)
        assert found["account"]["words"].endswith("trading_blocked, trade_suspended_by_user")
        assert found["account"]["verdict"] == "FAIL"


async def test_the_other_modes_host_is_refused_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    async with AlpacaServer() as server:
        more = {"ALPACA_TRADING_URL": "https://api.alpaca.markets"}
        _, found = await online(server, tmp_path, monkeypatch=monkeypatch, capsys=capsys, **more)
    assert found["account"]["verdict"] == "FAIL"
    assert "is the live host" in found["account"]["words"]
    assert "clock" not in found


async def test_the_named_account_must_be_the_keys_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (tmp_path / "mine.toml").write_text('[broker]\nmode = "live"\n')
    words = ("--config", str(tmp_path / "mine.toml"), "--live")
    async with AlpacaServer(start=real_time(), speed=1.0, account_number="123") as server:
        for named, verdict in (("123", "PASS"), ("1234", "FAIL")):
            _, found = await online(
                server, tmp_path, *words, monkeypatch=monkeypatch, capsys=capsys, TRADING_LIVE_ACCOUNT=named
            )
            assert found["account"]["verdict"] == verdict


async def test_no_key_is_ever_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    async with AlpacaServer(key="PKOTHER") as server:
        for name, value in {**server.urls.environment(), **KEYS}.items():
            monkeypatch.setenv(name, value)
        for words in ([], ["--json"], ["--set", "x.y=1"]):
            await asyncio.to_thread(main, ["check", "--root", str(tmp_path), *words])
    shown = capsys.readouterr()
    assert not any(value in shown.out + shown.err for value in KEYS.values())
