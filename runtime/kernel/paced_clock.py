"""Market time that runs faster than real time, from any moment: for sessions against a loopback broker."""

import math
from collections.abc import Callable

from runtime.kernel.clock import Cancel, Clock


class PacedClock:
    """Starts at a moment when it is made, and runs `speed` times as fast as another clock.

    Args:
        real: The clock it follows. start: ns UTC it shows at first. speed: above 0.

    Raises:
        ValueError: The speed is no finite number above 0.
    """

    def __init__(self, real: Clock, start: int, speed: float = 1.0) -> None:
        if not (math.isfinite(speed) and speed > 0):
            raise ValueError(f"a clock's speed must be above 0, was {speed:g}")
        self._real = real
        self._begun = real.now()
        self._start, self._speed = start, speed

    def now(self) -> int:
        """The present, ns UTC."""
        return self._start + int((self._real.now() - self._begun) * self._speed)

    def call_at(self, at: int, wake: Callable[[], None]) -> Cancel:
        """Call `wake` once when `now()` has reached `at`, never from inside this call."""
        # One more than rounded up: the float above may fall short of what this one promises.
        due = self._begun + math.ceil((at - self._start) / self._speed) + 1
        return self._real.call_at(due, wake)
