import json

from hypothesis import given
from hypothesis import strategies as st

from runtime.log_lines import LEVELS, parsed

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.text() | json_values.map(json.dumps), st.integers(0, 2**62))
def test_every_line_can_be_shown_and_filtered(line: str, before: int) -> None:
    found = parsed(line, before)
    assert found["level"] in LEVELS
    assert 0 <= found["ts"] < 2**63
    assert isinstance(found["component"], str)
    assert isinstance(found["event"], str)


def test_what_is_no_line_is_left_as_it_is_at_the_time_of_the_line_before() -> None:
    assert parsed("half a li", 7) == {"ts": 7, "level": "INFO", "component": "unknown", "event": "half a li"}
    assert parsed('{"ts": "soon", "level": "loud", "event": 3}', 7)["ts"] == 7
    assert parsed("[" * 100_000, 7)["ts"] == 7


def test_a_line_knows_its_component_from_its_logger() -> None:
    assert parsed('{"ts": 1, "logger": "actors.gateways.db_writer"}')["component"] == "db_writer"
    assert (
        parsed('{"ts": 1, "logger": "actors.x", "component": "order_gateway"}')["component"]
        == "order_gateway"
    )
