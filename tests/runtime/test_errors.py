"""What a task group's failure was about."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import first_of


@given(st.integers(0, 5), st.booleans())
def test_the_first_error_is_found_however_deep_its_group(depth: int, has_others: bool) -> None:
    cause = ValueError("it")
    found: Exception = cause
    for _ in range(depth):
        found = ExceptionGroup("a group", [found, KeyError("another")] if has_others else [found])
    assert first_of(found) is cause
