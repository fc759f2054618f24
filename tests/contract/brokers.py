"""What a broker under the contract suite can be asked; a real one joins `FACTORIES` behind its emulator."""

from collections.abc import Callable
from typing import Any, Protocol

from runtime.messages.base import Input
from tests.actors.trading_floor import Floor, cancel, replace, submit
from tests.contract.gatewayed import Gatewayed
from tests.contract.loopback import Loopback


class BrokerUnderTest(Protocol):
    """A broker with 100,000 USD, no costs, symbols AAA and BBB, and a market that the test moves."""

    is_gateway: bool
    """Whether our order gateway stands before the broker: it knows more, and asks less."""

    def submit(self, name: str, side: str, quantity: int, **fields: Any) -> list[Input]: ...
    def cancel(self, name: str) -> list[Input]: ...
    def replace(self, name: str, **prices: float) -> list[Input]: ...
    def minute(self, **rows: tuple[float, ...]) -> list[Input]: ...
    def close(self) -> list[Input]: ...
    def end(self) -> None: ...


class Simulated:
    """The simulated broker inside a sequencer."""

    is_gateway = False

    def __init__(self) -> None:
        self._floor = Floor(with_executor=False)
        self._minute = -1
        self._told = 0
        self.minute(AAA=(100, 100, 100, 100), BBB=(50, 50, 50, 50))

    def _new(self) -> list[Input]:
        fresh = self._floor.seen[self._told :]
        self._told = len(self._floor.seen)
        return [
            one
            for one in fresh
            if isinstance(one, Input) and type(one).__name__.startswith(("Order", "Cancel"))
        ]

    def submit(self, name: str, side: str, quantity: int, **fields: Any) -> list[Input]:
        self._floor.say(submit(name, side, quantity, **fields))
        return self._new()

    def cancel(self, name: str) -> list[Input]:
        self._floor.say(cancel(name))
        return self._new()

    def replace(self, name: str, **prices: float) -> list[Input]:
        self._floor.say(replace(name, **prices))
        return self._new()

    def minute(self, **rows: tuple[float, ...]) -> list[Input]:
        self._minute += 1
        self._floor.minute(self._minute, **rows)
        return self._new()

    def close(self) -> list[Input]:
        self._floor.end()
        return self._new()

    def end(self) -> None:
        """Nothing is to be let go of."""


FACTORIES: dict[str, Callable[[], BrokerUnderTest]] = {
    "simulated": Simulated,
    "loopback": Loopback,
    "gateway": Gatewayed,
}
