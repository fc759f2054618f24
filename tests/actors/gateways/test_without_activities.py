"""The broker does not answer what traded: shares are told by what its orders say of themselves."""

import pytest

from tests.actors.gateways.streaming import eventually
from tests.actors.gateways.test_broker_stream import ENTRY, OTHER, Stream, _hurried

FILLS = "GET /v2/account/activities/FILL*"
AWAY = [
    ("server_error_before", {}),
    ("refuse", {"status": 422, "code": 40010001, "message": "no activities"}),
]


def worth(desk, name=ENTRY):
    """Shares and USD that were told."""
    return (
        sum(one[0] for one in desk.fills(name)),
        sum(one[0] * one[1] for one in desk.fills(name)),
    )


@pytest.mark.parametrize(("kind", "given"), AWAY)
async def test_what_was_missed_is_told_by_an_orders_average_while_no_activities_are_to_be_had(
    alpaca, kind, given
):
    desk = Stream(alpaca, told_until=1)
    async with desk.running():
        order, other = await desk.buy(), await desk.buy(OTHER)
        await alpaca.fill(other, 98, 1)
        await desk.filled(1, OTHER)
        alpaca.faults.add(kind, FILLS, times=None, **given)
        alpaca.trades.connections[0].abort()
        await desk.not_ready()
        await alpaca.until(lambda: not alpaca.trades.connections)
        await alpaca.fill(order, 100, 2)
        await alpaca.fill(order, 99, 2)
        await eventually(lambda: _hurried(desk) and sum(1 for up, _ in desk.states if up) == 2)
        assert worth(desk) == (4, pytest.approx(398))
        await alpaca.fill(other, 97, 9)
        await desk.filled(10, OTHER)
        assert worth(desk, OTHER) == (10, pytest.approx(98 + 9 * 97))
        alpaca.faults.clear()
        alpaca.trades.connections[0].abort()
        await eventually(lambda: _hurried(desk) and sum(1 for up, _ in desk.states if up) == 3)
        assert (worth(desk), worth(desk, OTHER)) == ((4, pytest.approx(398)), (10, pytest.approx(971)))
        await alpaca.fill(order, 100, 6)
        await desk.filled(10)
    assert worth(desk) == (10, pytest.approx(998))
