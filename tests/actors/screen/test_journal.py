"""What the screen knows of errors: which are open, as the books have it."""

from actors.screen.journal import MOST_ERRORS, Journal

Parameters = tuple[object, ...]


def row(
    id: str, level: str = "CRITICAL", component: str = "kill_switch", count: int = 1, file: str = ""
) -> Parameters:
    return (id, 5, level, f"actors.{component}", "told", file, 3, "", "", component, count, 9, 0, 1, "")


def test_an_error_is_open_until_a_person_has_seen_to_it() -> None:
    journal = Journal()
    journal.row(row("a", "ERROR"))
    journal.row(row("b", "WARNING"))
    assert journal.open == {"CRITICAL": 0, "ERROR": 1, "WARNING": 1}
    journal.resolved("a", "known (me)")
    journal.resolved("a", "known (me)")
    journal.resolved("nobody", "")
    assert journal.open == {"CRITICAL": 0, "ERROR": 0, "WARNING": 1}
    assert journal.errors.get("a").note == "known (me)"


def test_a_row_that_is_written_again_stays_resolved_and_one_that_comes_again_does_not() -> None:
    journal = Journal()
    journal.row(row("a", "ERROR"))
    journal.resolved("a", "known")
    journal.row(row("a", "ERROR"))
    assert journal.errors.get("a").resolved and journal.open["ERROR"] == 0
    journal.row(row("a", "ERROR", count=2))
    assert not journal.errors.get("a").resolved and journal.open["ERROR"] == 1
    journal.row(row("a", "ERROR", count=3))
    assert journal.open["ERROR"] == 1


def test_who_resumes_has_seen_to_the_halts_and_to_nothing_else() -> None:
    journal = Journal()
    for each in (row("a"), row("b"), row("c", component="regime"), row("d", "WARNING")):
        journal.row(each)
    journal.resumed("user 1000")
    assert [(each.key, each.resolved, each.note) for each in journal.errors] == [
        ("a", True, "resumed (user 1000)"),
        ("b", True, "resumed (user 1000)"),
        ("c", False, ""),
        ("d", False, ""),
    ]
    assert journal.open == {"CRITICAL": 1, "ERROR": 0, "WARNING": 1}


def test_what_is_no_longer_shown_still_counts() -> None:
    journal = Journal()
    for number in range(MOST_ERRORS + 5):
        journal.row(row(str(number), "ERROR"))
    assert len(journal.errors) == MOST_ERRORS and journal.open["ERROR"] == MOST_ERRORS + 5


def test_where_it_happened_is_shown_if_it_is_known() -> None:
    journal = Journal()
    journal.row(row("a", file="actors/regime.py"))
    journal.row(row("b"))
    assert [each.where for each in journal.errors] == ["actors/regime.py:3", ""]
