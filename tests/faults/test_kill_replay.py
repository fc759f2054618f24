"""kill -9 of a replay at any moment, the same command again: the books are those of an undisturbed run."""

import random
from pathlib import Path

import pytest

from tests.faults import killing

pytestmark = [pytest.mark.timeout(480), pytest.mark.slow]


def test_ten_kills_at_random_moments_change_no_row(demo_tapes: list[Path], tmp_path: Path) -> None:
    figures = killing.campaign(demo_tapes, tmp_path, kills=10, per_round=5, seed=11)
    assert figures.kills == 10
    assert figures.differing == 0
    assert figures.rows > 1_000
    assert len(set(figures.at_bytes)) > 5  # not always the same moment


def test_kills_at_the_worst_points_change_no_row(demo_tapes: list[Path], tmp_path: Path) -> None:
    _, expected, _ = killing.undisturbed(demo_tapes, tmp_path / "undisturbed")
    root = tmp_path / "books"
    chance = random.Random(5)
    died = []
    for point in (*killing.POINTS, "between"):
        count = chance.randrange(3, 9) if point in ("migration", "rows") else 1
        if killing.dying(demo_tapes, root, point, count):
            died.append(point)
    assert died == [*killing.POINTS, "between"]
    half = killing.rows(root)
    assert half != expected
    assert half["trades.projection"] > half["performance.projection"]  # it died between the two
    assert killing.finish(killing.start(killing.command(demo_tapes, root)))["sessions"] == len(demo_tapes)
    assert killing.rows(root) == expected


def test_a_finished_replay_run_again_changes_no_row(demo_tapes: list[Path], tmp_path: Path) -> None:
    tapes = demo_tapes[:2]
    first = killing.finish(killing.start(killing.command(tapes, tmp_path)))
    before = killing.rows(tmp_path)
    second = killing.finish(killing.start(killing.command(tapes, tmp_path)))
    assert killing.rows(tmp_path) == before
    assert second["decisions_sha256"] == first["decisions_sha256"]
