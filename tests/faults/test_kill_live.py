"""kill -9 of a live engine at every named point and at ten random moments of a busy session, then one story.

The long form is `python -m tests.faults.kill_live --kills 200`.
"""

from pathlib import Path

import pytest

from tests.faults.kill_live import campaign
from tests.faults.points import POINTS


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_every_point_and_at_random_nothing_is_sent_twice_lost_or_left_in_doubt(tmp_path: Path):
    # Several rounds: each has a market of its own, which closes after six and a half minutes of real time.
    figures = campaign(tmp_path, kills=10, per_round=10, points=True, seed=5)
    assert figures.wrong == []
    assert figures.missed == []
    assert figures.kills == len(POINTS) + 10
    assert figures.points == dict.fromkeys(POINTS, 1)
    # A quiet session would prove little.
    assert figures.fills > 5
    assert figures.cancelled > 10
