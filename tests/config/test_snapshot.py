"""What differs between two snapshots, in words a person can act on."""

import msgspec

from config.schema import Settings
from config.snapshot import differences, snapshot


def test_every_setting_that_differs_is_named_with_both_values() -> None:
    plain = Settings()
    first, *rest = plain.strategies
    other = Settings(
        breakers=msgspec.structs.replace(plain.breakers, daily_loss=0.01),
        strategies=(msgspec.structs.replace(first, params=first.params | {"s_in": 2.0}), *rest),
    )
    assert differences(snapshot(plain), snapshot(plain)) == []
    assert differences(snapshot(plain), snapshot(other)) == [
        "breakers.daily_loss was 0.02, is 0.01",
        f"strategies.{first.name}.params.s_in was 1.25, is 2.0",
    ]


def test_a_setting_that_came_or_went_is_named_too() -> None:
    before = {"a": {"x": 1}, "b": {"y": None}}
    after = {"a": {"x": 1, "z": [1, 2]}}
    assert differences(before, after) == ["a.z was not there, is [1, 2]", "b.y was null, is not there"]
