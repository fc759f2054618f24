"""Keys first, then the symbols in pieces, and the acknowledged set is held against the wanted one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.broker.market_handshake import CHANNELS, Handshake
from actors.broker.market_wire import Refused, Subscribed, Success
from actors.broker.stream_faults import StreamFault
from config.secrets import Secret, Secrets

KEYS = Secrets(api_key=Secret("key-of-test"), secret_key=Secret("secret-of-test"))
CONNECTED, AUTHENTICATED = Success(msg="connected"), Success(msg="authenticated")


def ack(*symbols, channels=CHANNELS):
    fields = {"updatedBars": "updated_bars", "dailyBars": "daily_bars"}
    return Subscribed(**{fields.get(name, name): list(symbols) for name in channels})


def subscribed(symbols, action="subscribe"):
    return {"action": action} | {name: list(symbols) for name in CHANNELS}


def test_a_connection_goes_from_its_keys_to_its_last_piece():
    shake = Handshake(["A", "B", "C"], KEYS, chunk=2)
    assert shake.receive(CONNECTED) == [{"action": "auth", "key": "key-of-test", "secret": "secret-of-test"}]
    assert shake.receive(AUTHENTICATED) == [subscribed("AB")]
    assert shake.receive(ack("A", "B")) == [subscribed("C")]
    assert shake.state == "subscribing"
    assert shake.receive(ack("A", "B", "C")) == []
    assert (shake.state, shake.missing) == ("live", ())


def test_keys_given_with_the_upgrade_need_no_message():
    shake = Handshake(["A"], KEYS)
    assert shake.receive(AUTHENTICATED) == [subscribed("A")]
    assert shake.receive(CONNECTED) == []


def test_symbols_left_out_of_the_acknowledgement_are_asked_for_again_then_named():
    shake = Handshake(["A", "B"], KEYS)
    shake.receive(CONNECTED)
    shake.receive(AUTHENTICATED)
    assert shake.receive(ack("A")) == [subscribed("B")]
    assert shake.receive(ack("A")) == [subscribed("B")]
    assert shake.receive(ack("A")) == []
    assert (shake.state, shake.missing) == ("live", ("B",))


def test_a_channel_that_is_not_acknowledged_is_named():
    shake = Handshake(["A"], KEYS)
    shake.receive(AUTHENTICATED)
    shake.receive(ack("A", channels=("bars", "statuses")))
    assert shake.state == "live"
    assert shake.missing_channels == ("updatedBars", "dailyBars")


@pytest.mark.parametrize("code", [402, 405, 406, 409, 410])
def test_a_refusal_ends_the_connection_as_its_code_says(code):
    shake = Handshake(["A"], KEYS)
    shake.receive(CONNECTED)
    with pytest.raises(StreamFault) as caught:
        shake.receive(Refused(code=code, msg="no"))
    assert caught.value.code == code


def test_already_authenticated_is_no_fault_and_not_authenticated_sends_the_keys_again():
    shake = Handshake(["A"], KEYS)
    shake.receive(CONNECTED)
    shake.receive(AUTHENTICATED)
    assert shake.receive(Refused(code=403, msg="already authenticated")) == []
    assert shake.receive(Refused(code=401, msg="not authenticated"))[0]["action"] == "auth"


def test_a_changed_choice_drops_the_old_and_asks_for_the_new():
    shake = Handshake(["A", "B"], KEYS)
    shake.receive(AUTHENTICATED)
    shake.receive(ack("A", "B"))
    assert shake.want(["B", "C"]) == [subscribed("A", "unsubscribe"), subscribed("C")]
    shake.receive(ack("B", "C"))
    assert (shake.state, shake.missing) == ("live", ())
    assert shake.want(["C"]) == [subscribed("B", "unsubscribe")]


def test_without_keys_nothing_is_sent():
    with pytest.raises(StreamFault, match="ALPACA_API_KEY"):
        Handshake(["A"], Secrets()).receive(CONNECTED)


def test_no_symbols_is_a_subscription_too():
    shake = Handshake([], KEYS)
    assert shake.receive(AUTHENTICATED) == []
    assert (shake.state, shake.missing, shake.missing_channels) == ("live", (), ())


@given(st.lists(st.sampled_from([f"S{n}" for n in range(12)]), max_size=20), st.integers(1, 5), st.data())
def test_a_server_that_acknowledges_anything_always_leads_to_live_and_a_true_list_of_what_misses(
    wanted, chunk, data
):
    shake = Handshake(wanted, KEYS, chunk=chunk)
    says = shake.receive(CONNECTED) and shake.receive(AUTHENTICATED)
    held: set[str] = set()
    rounds = 0
    while shake.state != "live":
        assert len(says) == 1
        assert len(says[0]["bars"]) <= chunk
        held |= set(data.draw(st.lists(st.sampled_from(says[0]["bars"]), unique=True)))
        says = shake.receive(ack(*sorted(held)))
        rounds += 1
        assert rounds <= 3 * 12
    assert set(shake.missing) == set(wanted) - held
