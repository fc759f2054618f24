"""A session that is cut and goes on in another part stands where it stood and decides as if it were whole."""

import itertools
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from actors.books_state import from_books, usable
from actors.gateways.replay_feed import TapeSession
from actors.session_parts import learned
from actors.strategies.host_state import Fate, StrategyCarried
from config.snapshot import from_snapshot
from runtime.messages.market import SymbolAdded
from storage.standing import Standing
from storage.statements import Mark
from storage.tape import Entry
from tests.demo_run import tapes
from tests.system.parted import Heard, begin, cut, feed, machine

CUTS = 3
"""A session, each at another place."""
MONEY = ("phase_clock", "portfolio", "breaker", "ensemble", "executor")
"""They stand before the part's first input; regime and strategies from it on."""


@cache
def recording(place: int) -> tuple[TapeSession, list[Entry]]:
    session = TapeSession(tapes()[place])
    return session, list(session.reader)


def in_folder(session: TapeSession, folder: Path) -> Path:
    (folder / "blobs").symlink_to(session.path.parent / "blobs")
    return folder


def readable(standing: dict[str, bytes]) -> dict[str, Any]:
    return {name: msgspec.msgpack.decode(raw) for name, raw in standing.items()}


def bare(carried: dict[str, bytes]) -> dict[str, Any]:
    """The same without what the two inputs between the parts leave: numbers of inputs, one mark more."""
    found = readable(carried)
    for message in (*found["ensemble"]["pending"], *found["ensemble"]["days"].values()):
        message[2] = 0
    del found["breaker"]["chain"]["window"]
    return found


def differences(then: Any, now: Any, where: str = "") -> list[str]:
    """Where two plain values differ, each place with both."""
    if isinstance(then, dict) and isinstance(now, dict):
        keys = dict.fromkeys((*then, *now))
        return [one for key in keys for one in differences(then.get(key), now.get(key), f"{where}.{key}")]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = enumerate(zip(then, now, strict=True))
        return [one for place, (a, b) in pairs for one in differences(a, b, f"{where}[{place}]")]
    return [] if repr(then) == repr(now) else [f"{where}: {then} became {now}"]


@pytest.mark.parametrize("place", range(10))
def test_another_part_of_a_session_stands_and_decides_as_if_it_had_not_been_cut(place: int, tmp_path: Path):
    session, entries = recording(place)
    step = len(entries) // CUTS
    for number in range(CUTS):
        at = 1 + number * step + (7 * place + 13 * number) % step
        folder = tmp_path / str(number)
        folder.mkdir()
        stopped, path = cut(session, entries[:at], in_folder(session, folder))
        then = readable(stopped.standing())
        second = TapeSession(path)
        heard, plain = Heard(), Heard()
        parted, whole = machine(second, heard=heard), machine(session, heard=plain)
        feed(whole, entries[:at])
        money = readable(parted.standing())
        begin(parted, second, entries[at - 1].at)
        now = {
            name: money[name] if name in MONEY else one for name, one in readable(parted.standing()).items()
        }
        assert differences(then, now) == [], at
        heard.decisions.clear(), plain.decisions.clear()
        rest = entries[at:]
        feed(whole, rest), feed(parted, rest, crashes=False)
        for mine, theirs in itertools.zip_longest(heard.decisions, plain.decisions):
            assert mine == theirs, at
        assert differences(bare(whole.carry()), bare(parted.carry())) == [], at


@pytest.mark.parametrize("place", [0, 4, 7])
def test_out_of_the_books_of_any_input_the_actors_stand_where_the_tape_ends(place: int, tmp_path: Path):
    session, entries = recording(place)
    for number, behind in enumerate((0, 1, 40)):
        at = len(entries) * (2 + number) // 6 + place
        folder = tmp_path / str(number)
        folder.mkdir()
        stopped, path = cut(session, entries[:at], in_folder(session, folder))
        first = TapeSession(path.with_name(f"{session.header.session}.tape"))
        then = machine(session)
        feed(then, entries[: at - behind])
        mark = Mark(int(session.header.session.replace("-", "")), at - behind)
        kept = Standing(mark=mark, at=then.moment.now, actors=then.standing())
        chosen = from_snapshot(session.header.settings)
        taken, _ = from_books(first, chosen, usable(kept, first.header), [])
        assert differences(bare(stopped.standing()), bare(taken.standing())) == [], at
        again, _ = from_books(first, chosen, usable(None, first.header), [])
        assert differences(bare(stopped.standing()), bare(again.standing())) == [], at


@pytest.mark.parametrize("behind", [0, 1, 40])
def test_what_the_books_keep_of_an_earlier_part_is_older_than_the_tape(behind: int, tmp_path: Path):
    session, entries = recording(0)
    at = len(entries) // 2
    _, path = cut(session, entries[:at], in_folder(session, tmp_path))
    second = TapeSession(path)
    mark = Mark(int(session.header.session.replace("-", "")), at - behind)
    older = Standing(mark=mark, at=0, actors={"executor": b"of then"})
    kept = usable(older, second.header)
    assert kept.actors == second.header.carried
    assert kept.mark.seq == second.header.parts[-1].last_seq


def test_a_symbol_that_was_added_has_its_place_in_every_later_part(tmp_path: Path):
    session, entries = recording(0)
    at = len(entries) // 4
    last = entries[at - 1]
    fresh = SymbolAdded(ts_event=last.at, symbol="NEW", id=len(session.header.symbols))
    added = SimpleNamespace(seq=last.seq + 1, at=last.at, source="market", message=fresh, crashes=())
    _, path = cut(session, [*entries[:at], added], in_folder(session, tmp_path))
    heard = learned(TapeSession(path))
    for name in ("portfolio", "breaker", "ensemble"):
        assert heard[name] == [(added.seq, added.at), fresh]
    assert fresh in heard["mean_reversion"]


def test_strategies_hear_again_what_became_of_their_signals_when_they_heard_it(tmp_path: Path):
    session, entries = recording(0)
    _, path = cut(session, entries[: len(entries) * 3 // 4], in_folder(session, tmp_path))
    second = TapeSession(path)
    raw = second.header.carried["relative_volume_breakout"]
    today = msgspec.msgpack.decode(raw, type=StrategyCarried).today
    heard = learned(second)["relative_volume_breakout"]
    dated, found = (0, 0), []
    for one in heard:
        if type(one) is tuple:
            dated = one
        elif isinstance(one, Fate):
            found.append((dated[1], one))
    assert found == [(at, fate) for _, at, fate in today.heard]
    assert len(found) > 5
