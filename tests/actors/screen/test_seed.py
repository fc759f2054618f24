"""What a screen knows before the first input, out of the books; folding piece by piece is folding."""

import sqlite3
from pathlib import Path

import pytest

from actors.gateways.bookkeeper import Bookkeeper
from actors.gateways.replay_feed import MadeSession
from actors.playback import Playback
from actors.screen import feed as feeds
from actors.screen.seed import Past, read_past, seed
from actors.screen.state import ScreenState
from tests.actors.screen.played import Played
from tests.actors.screen.reader import TABLES, Reader
from tests.system import days
from tests.system.recordings import DEMO, demo_market

BOOKS = "replay:test"
SETTINGS = days.settings(DEMO)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The books of two sessions."""
    root = tmp_path_factory.mktemp("books")
    keeper = Bookkeeper(root, BOOKS)
    Playback(SETTINGS, projection=keeper, books=BOOKS).run([MadeSession(one) for one in demo_market()[:2]])
    keeper.close()
    return root


def told(root: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(root / "db" / "performance.db") as link:
        found = link.execute(query).fetchall()
    link.close()
    return found


def test_earlier_days_and_what_is_unresolved_come_from_the_books(root: Path) -> None:
    third = demo_market()[2]
    past = read_past(root, third.session)
    equities = [equity for (equity,) in told(root, "SELECT equity FROM portfolio_daily ORDER BY date")]
    assert [equity for _, equity in past.days] == equities
    assert [at for at, _ in past.days] == [one.close for one in demo_market()[:2]]
    assert past.counts == dict(told(root, "SELECT level, count(*) FROM error_log GROUP BY level"))
    state = ScreenState(MadeSession(third).header, SETTINGS)
    seed(state, past)
    assert state.history.changes().equity == tuple(equities)
    assert state.journal.open["WARNING"] == past.counts["WARNING"]
    assert len(state.journal.errors) == sum(past.counts.values())


def test_the_day_itself_is_no_history(root: Path) -> None:
    assert len(read_past(root, demo_market()[1].session).days) == 1


def test_a_root_without_books_has_no_past(tmp_path: Path) -> None:
    assert read_past(tmp_path, "2026-11-18") == Past()


def test_in_pieces_of_one_message_the_fold_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for piece in (1, 1_000_000):
        monkeypatch.setattr(feeds, "PIECE", piece)
        played = Played(SETTINGS)
        played.play(demo_market()[0])
        played.catch_up()
        played.frames.changes()
        reader = Reader()
        reader.take(played.frames.whole())
        seen.append((reader.head, {name: reader.tables[name] for name in TABLES if name != "actors"}))
    assert seen[0] == seen[1]
