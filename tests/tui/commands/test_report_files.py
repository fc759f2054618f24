"""`report --html` and `--csv`: whole, alone, exact and inert."""

import base64
import csv
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.demo_run import demo
from tui.commands import exits
from tui.commands.main import main

Captured = pytest.CaptureFixture[str]
DAY = "2026-11-20"
HOSTILE = (
    "\x1b]0;x\x07</title></style></script><script>alert(1)</script><img src=x onerror=alert(1)>\u202e'\"&"
)


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.inside: dict[str, str] = {}
        self.words = ""
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._tag = tag

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        self.inside[self._tag] = self.inside.get(self._tag, "") + data
        self.words += data


def page(tmp_path: Path, *words: str, root: Path | None = None) -> Page:
    target = tmp_path / "report.html"
    assert main(["report", "--root", str(root or demo()[0]), "--html", str(target), *words]) == exits.OK
    return Page(target.read_text(encoding="utf-8"))


@pytest.fixture
def poisoned(tmp_path: Path) -> Path:
    """The demo's books with hostile words wherever text may come from outside."""
    root = tmp_path / "poisoned"
    shutil.copytree(demo()[0] / "db", root / "db")
    for name, changes in {
        "trades": ["UPDATE trades SET symbol = ?1, exit_reason = ?1", "UPDATE signals SET reason = ?1"],
        "performance": [
            "UPDATE circuit_breaker_state SET reason = ?1",
            "UPDATE error_log SET component = ?1",
        ],
    }.items():
        link = sqlite3.connect(root / "db" / f"{name}.db")
        for change in changes:
            link.execute(change, (HOSTILE,))
        link.commit()
        link.close()
    return root


def test_a_page_stands_alone(tmp_path: Path) -> None:
    found = page(tmp_path)
    outside = {"src", "href", "srcset", "action", "data", "poster", "style"}
    assert {value for _, name, value in found.attributes if name in outside} == {"data:,"}
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert found.tags.count("script") == found.tags.count("style") == 1
    assert "url(" not in found.inside["style"] and "@import" not in found.inside["style"]


def test_its_policy_allows_its_own_style_and_script_and_nothing_else(tmp_path: Path) -> None:
    found = page(tmp_path)
    policy = next(value for tag, name, value in found.attributes if tag == "meta" and "default-src" in value)
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    assert allowed["default-src"] == "'none'"
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(found.inside[tag].encode()).digest()).decode()
        assert allowed[f"{tag}-src"] == f"'sha256-{digest}'"


def test_hostile_text_is_only_ever_text(poisoned: Path, tmp_path: Path) -> None:
    clean = page(tmp_path)
    text_of = page(tmp_path, root=poisoned)
    assert set(text_of.tags) == set(clean.tags)
    assert text_of.tags.count("script") == 1
    raw = (tmp_path / "report.html").read_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", raw)
    assert "<script>alert(1)</script>" in text_of.words


def test_every_part_is_there_and_agrees_with_the_books(tmp_path: Path, capsys: Captured) -> None:
    found = page(tmp_path)
    for title in ("Equity, drawdown", "Strategies", "Costs", "Sessions", "Trades", "Breakers", "Regimes"):
        assert title in found.words
    capsys.readouterr()
    assert main(["report", "--root", str(demo()[0]), "--json"]) == exits.OK
    books = json.loads(capsys.readouterr().out)
    assert f"{books['equity_last']['equity']:,.2f}" in found.words
    closed = books["trades"]["closed"] + books["trades"]["open"]
    assert found.tags.count("tr") > closed


def test_one_session_is_reported_alone(tmp_path: Path, capsys: Captured) -> None:
    assert f"session {DAY}" in page(tmp_path, "--day", DAY).words
    capsys.readouterr()
    days = {}
    for words in ([], ["--day", DAY]):
        assert main(["report", "--root", str(demo()[0]), "--json", *words]) == exits.OK
        days[len(words)] = json.loads(capsys.readouterr().out)
    whole, one = days[0], days[2]
    assert (whole["day"], one["day"]) == (None, DAY)
    assert [day["date"] for day in one["days"]] == [DAY]
    assert one["sessions"]["sessions"] == 1
    assert 0 < one["costs"]["fills"] < whole["costs"]["fills"]
    assert {b["breaker_type"] for b in one["breakers"]} == {"strategy_loss", "daily_loss"}


def test_the_sessions_add_up_to_the_run(capsys: Captured) -> None:
    def found(*words: str) -> dict[str, dict[str, float]]:
        assert main(["report", "--root", str(demo()[0]), "--json", *words]) == exits.OK
        result: dict[str, dict[str, float]] = json.loads(capsys.readouterr().out)
        return result

    whole = found()
    each = [found("--day", str(day["date"])) for day in whole["days"]]  # type: ignore[call-overload]
    for part, names in {
        "trades": ("closed", "wins", "losses"),
        "costs": ("fills", "cash_micros"),
    }.items():
        for name in names:
            assert sum(day[part][name] for day in each) == whole[part][name], name
    total = sum(day["trades"]["realised_pnl"] for day in each)
    assert total == pytest.approx(whole["trades"]["realised_pnl"], abs=1e-6)


def test_an_unknown_session_is_named_with_those_there_are(capsys: Captured) -> None:
    assert main(["report", "--root", str(demo()[0]), "--day", "2026-11-21"]) == exits.DATA
    assert "no session 2026-11-21; sessions in them: 10, 2026-11-16 to 2026-11-30" in capsys.readouterr().err
    assert main(["report", "--day", "yesterday"]) == exits.USAGE
    capsys.readouterr()


def test_csv_has_every_digit(tmp_path: Path) -> None:
    target = tmp_path / "trades.csv"
    assert main(["report", "--root", str(demo()[0]), "--csv", str(target)]) == exits.OK
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    link = sqlite3.connect(demo()[0] / "db" / "trades.db")
    books = dict(link.execute("SELECT id, pnl FROM trades WHERE status <> 'CANCELLED'").fetchall())
    moments = dict(link.execute("SELECT id, timestamp FROM trades").fetchall())
    link.close()
    assert {row["id"]: float(row["pnl"]) for row in rows} == books
    for row in rows:
        whole, _, rest = row["entry_timestamp"].rstrip("Z").partition(".")
        assert len(rest) == 9 and int(rest) == moments[row["id"]] % 10**9
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", whole)


def test_a_folder_gets_a_file_for_each_kind_of_row_for_its_owner_only(
    tmp_path: Path, capsys: Captured
) -> None:
    target = tmp_path / "tables"
    assert main(["report", "--root", str(demo()[0]), "--csv", f"{target}/"]) == exits.OK
    assert capsys.readouterr().out.count("wrote ") == 7
    names = {path.stem for path in target.iterdir()}
    assert names == {"trades", "fills", "signals", "equity", "strategies", "breakers", "regimes"}
    assert {path.stat().st_mode & 0o777 for path in target.iterdir()} == {0o600}
    with (target / "fills.csv").open(newline="") as file:
        fills = list(csv.DictReader(file))
    assert sum(int(row["cash_micros"]) for row in fills) != 0
    assert fills[0]["executed_at"].startswith("2026-11-16T14:")


def test_csv_starts_no_formula_and_moves_no_cursor(poisoned: Path, tmp_path: Path) -> None:
    link = sqlite3.connect(poisoned / "db" / "trades.db")
    link.execute("UPDATE trades SET symbol = '=cmd|calc'")
    link.commit()
    link.close()
    target = tmp_path / "trades.csv"
    assert main(["report", "--root", str(poisoned), "--csv", str(target)]) == exits.OK
    text = target.read_text()
    assert "\x1b" not in text
    with target.open(newline="") as file:
        assert {row["symbol"] for row in csv.DictReader(file)} == {"'=cmd|calc"}


def test_what_goes_to_stdout_goes_there_alone(capsys: Captured) -> None:
    root = str(demo()[0])
    assert main(["report", "--root", root, "--csv", "-"]) == exits.OK
    assert capsys.readouterr().out.startswith("id,symbol,strategy,side,quantity,entry_timestamp")
    assert main(["report", "--root", root, "--html", "-"]) == exits.OK
    assert capsys.readouterr().out.startswith("<!doctype html>")
    for words in (["--csv", "-", "--json"], ["--csv", "-", "--html", "-"]):
        assert main(["report", "--root", root, *words]) == exits.USAGE
    capsys.readouterr()


def test_a_file_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path, capsys: Captured) -> None:
    target = tmp_path / "none" / "report.html"
    assert main(["report", "--root", str(demo()[0]), "--html", str(target)]) == exits.DATA
    assert "No such file or directory" in capsys.readouterr().err
    assert main(["report", "--root", str(demo()[0]), "--html", "/dev/null"]) == exits.OK
    assert Path("/dev/null").is_char_device()
    assert list(tmp_path.iterdir()) == []


def test_empty_books_make_a_page_too(tmp_path: Path) -> None:
    from storage.books import Books

    Books(tmp_path / "empty", "replay:empty").close()
    assert "no sessions yet" in page(tmp_path, root=tmp_path / "empty").words


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_a_browser_opens_it_without_a_network_and_without_a_complaint(poisoned: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    assert main(["report", "--root", str(poisoned), "--html", str(target)]) == exits.OK
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}"),
            *(f"--screenshot={tmp_path / 'page.png'}", "--window-size=1200,1600", target.as_uri()),
        ],
        env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert (tmp_path / "page.png").stat().st_size > 20_000, done.stderr
    assert "CONSOLE" not in done.stderr
