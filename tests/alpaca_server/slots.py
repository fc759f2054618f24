"""How many connections a user may have: a session that died without a close frame keeps its place a while."""

import asyncio
from collections import Counter


class Slots:
    """Places by endpoint.

    Args:
        most: Connections at once on one endpoint.
        dead_s: Real seconds a dead session keeps its place; None: until `release`.
    """

    def __init__(self, most: int, dead_s: float | None) -> None:
        self._most = most
        self._dead_s = dead_s
        self._taken: Counter[str] = Counter()
        self._dead: Counter[str] = Counter()

    def take(self, endpoint: str) -> bool:
        """Take a place; False when all are taken."""
        if self._taken[endpoint] >= self._most:
            return False
        self._taken[endpoint] += 1
        return True

    def give_back(self, endpoint: str, *, died: bool) -> None:
        """Leave a place, at once or as a dead session does."""
        if died and self._dead_s is None:
            self._dead[endpoint] += 1
        elif died and self._dead_s:
            asyncio.get_running_loop().call_later(self._dead_s, self._free, endpoint)
        else:
            self._free(endpoint)

    def release(self) -> None:
        """Forget all dead sessions."""
        for endpoint, count in self._dead.items():
            self._taken[endpoint] -= count
        self._dead.clear()

    def _free(self, endpoint: str) -> None:
        self._taken[endpoint] -= 1
