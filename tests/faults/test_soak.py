"""The soak in small: two sessions in one engine process, nothing left waiting after either."""

from pathlib import Path

import pytest

from tests.faults.soak import soak


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_nothing_waits_after_a_session_and_the_next_one_trades_too(tmp_path: Path) -> None:
    found = soak(tmp_path, sessions=2, symbols=25, minutes=45)
    assert found["exit_code"] == 0
    assert found["inboxes_empty"], found
    first, second = found["after_each"]
    assert first["session"] < second["session"]
    assert 0 < first["orders"] < second["orders"]
    assert second["tasks"] <= first["tasks"] + 1
    assert second["threads"] <= first["threads"] + 4  # workers of a pool that grows to its width
