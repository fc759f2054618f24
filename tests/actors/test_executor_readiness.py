"""No entry while the broker's events may not reach us; what reduces never waits for it."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.messages.broker import BrokerStreamChanged, CancelOrder, SubmitOrder
from tests.actors.trading_floor import Floor, approve

FLAT = (100.0, 100.0, 100.0, 100.0)
EXITS = {"stop_loss": 95.0, "take_profit": 105.0}


def started():
    floor = Floor()
    floor.minute(0, AAA=FLAT)
    return floor


def stream(floor, ready, reason=""):
    floor.later(BrokerStreamChanged(ts_event=floor.now, ready=ready, reason=reason))


def sent(floor):
    return [one.client_order_id for one in floor.commands if type(one) is SubmitOrder]


def test_without_a_word_of_the_stream_entries_leave():
    floor = started()
    floor.say(approve("a", **EXITS))
    assert sent(floor) == ["a:e1"]


def test_an_entry_is_not_sent_while_the_stream_is_not_ready_and_it_is_told_why():
    floor = started()
    stream(floor, False, "catching up")
    floor.say(approve("a", **EXITS))
    assert sent(floor) == []
    (told,) = floor.changes
    assert (told.status, told.reason) == ("canceled", "not sent: the order stream is not ready: catching up")


def test_entries_leave_again_once_the_stream_is_ready_and_the_refused_one_stays_dead():
    floor = started()
    stream(floor, False, "lost")
    floor.say(approve("a", **EXITS))
    stream(floor, True)
    floor.say(approve("b", **EXITS))
    floor.minute(1, AAA=FLAT)
    assert sent(floor) == ["b:e1"]


def test_exits_and_cancellations_do_not_wait_for_the_stream():
    floor = started()
    floor.say(approve("held", **EXITS), approve("resting", type="limit", limit_price=90.0))
    floor.minute(1, AAA=FLAT)
    stream(floor, False, "lost")
    floor.say(approve("held", "sell", intent="exit", reason="time"))
    floor.say(approve("resting", "sell", intent="exit", reason="time"))
    assert sent(floor)[2:] == ["held:x1"]
    assert {one.lot_id for one in floor.commands if type(one) is CancelOrder} == {"held", "resting"}


@given(st.lists(st.booleans() | st.none(), max_size=12))
def test_exactly_the_entries_approved_while_the_stream_was_ready_are_sent(steps):
    floor = started()
    ready, expected = True, []
    for number, step in enumerate(steps):
        if step is None:
            floor.say(approve(f"lot{number}", quantity=1, **EXITS))
            expected += [f"lot{number}:e1"] if ready else []
        else:
            ready = step
            stream(floor, step, "x")
    assert sent(floor) == expected
