"""Every decision actor and the simulated broker crash on messages of chance; the tape tells, replay obeys."""

import random
from pathlib import Path

import pytest

from actors.verification import verify
from runtime.messages.machine import ActorStopped
from storage.tape import TapeReader
from tests.system import recordings
from tests.system.sabotage import Poison, Saboteur, sabotaged

SESSIONS = slice(1, 6)  # calm, volatile and crash days, with a restart on purpose among them


@pytest.fixture(scope="module")
def heard() -> dict[tuple[str, str], list[str]]:
    with sabotaged(Saboteur()) as spy:
        recordings.Playback(recordings.days.settings(recordings.DEMO)).run(
            [recordings.MadeSession(made) for made in recordings.demo_market()[SESSIONS]]
        )
    return spy.heard


def poisons(heard: dict[tuple[str, str], list[str]], seed: int) -> list[Poison]:
    """One crash a session and actor, mostly on something rarer than a minute of bars."""
    chance = random.Random(seed)
    chosen = []
    for (actor, session), kinds in heard.items():
        rare = [at for at, kind in enumerate(kinds, 1) if kind not in ("Bars", "settle")]
        anything = range(1, len(kinds) + 1)
        ordinal = chance.choice(rare if rare and chance.random() < 0.7 else anything)
        chosen.append(Poison(actor, session, ordinal, late=chance.random() < 0.5))
    return chosen


@pytest.mark.parametrize("seed", range(4))
def test_crashes_on_the_tape_are_skipped_again_without_the_sabotage(heard, tmp_path: Path, seed: int) -> None:
    wanted = poisons(heard, seed)
    with sabotaged(Saboteur(wanted)) as saboteur:
        tapes, live = recordings.record(recordings.demo_market()[SESSIONS], tmp_path)
    assert len(saboteur.met) > len(wanted) // 2  # earlier crashes change what comes later
    recorded = [crash for tape in tapes for entry in TapeReader(tape) for crash in entry.crashes]
    found = {(crash.actor, crash.message_type) for crash in recorded if "sabotage" in crash.error}
    assert found == {(poison.actor, kind) for poison, kind in saboteur.met.items()}
    for tape in tapes:
        verdict = verify(tape)
        assert verdict.identical, verdict.text()
    again, _ = recordings.replay(tapes)
    assert again.decisions_sha256 == live.decisions_sha256
    assert again == live


@pytest.mark.parametrize("seed", range(2))
def test_actors_that_crash_until_they_are_stopped_stay_stopped_in_the_replay(
    heard, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    wanted = []
    for actor, session in chance.sample(sorted(heard), 12):
        first = chance.randrange(1, max(2, len(heard[actor, session]) - 8))
        wanted += [Poison(actor, session, first + more, late=bool(more % 2)) for more in range(6)]
    patience = "supervision.restart_period_s=600"
    stopped: list[str] = []

    def watch(seq: int, at: int, message: object, caused: list[object], /) -> None:
        stopped.extend(one.actor for one in caused if isinstance(one, ActorStopped))

    with sabotaged(Saboteur(wanted)):
        tapes, live = recordings.record(recordings.demo_market()[SESSIONS], tmp_path, [watch], patience)
    assert len(set(stopped)) > 2
    for tape in tapes:
        verdict = verify(tape)
        assert verdict.identical, verdict.text()
    assert recordings.replay(tapes, None, (), patience)[0] == live


def test_without_the_record_of_the_crashes_the_decisions_differ(heard, tmp_path: Path) -> None:
    """The other way round: skipping is what makes the replay the same."""
    wanted = [poison for poison in poisons(heard, 0) if poison.actor == "portfolio"]
    with sabotaged(Saboteur(wanted)):
        tapes, live = recordings.record(recordings.demo_market()[SESSIONS], tmp_path)
    calm, _ = recordings.replay(tapes)
    assert calm.decisions_sha256 == live.decisions_sha256
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recordings.TapeSession, "recorded", lambda _: [])
        deaf, _ = recordings.replay(tapes)
    assert deaf.decisions_sha256 != live.decisions_sha256
