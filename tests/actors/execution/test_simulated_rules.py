"""What the simulated broker counts as promised to exits."""

import msgspec

from actors.execution.simulated_rules import held_for_orders
from actors.execution.working_order import orders_of
from tests.actors.trading_floor import submit


def test_what_a_bracket_has_filled_so_far_is_promised_to_its_exits() -> None:
    order = submit("a", "buy", 21, order_class="bracket", take_profit=105.0, stop_loss=95.0)(0, 1)
    entry, (stop, target) = orders_of(order, 0, 1, 0, 0)
    entry.filled = 6
    assert held_for_orders([entry], -1) == 6
    live = [msgspec.structs.replace(leg, held=False) for leg in (stop, target)]
    assert held_for_orders(live, -1) == 21


def test_a_plain_entry_promises_nothing() -> None:
    entry, legs = orders_of(submit("a", "buy", 21)(0, 1), 0, 1, 0, 0)
    assert not legs
    entry.filled = 6
    assert held_for_orders([entry], -1) == 0
