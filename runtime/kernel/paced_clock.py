"""Market time that runs faster than real time, from any moment: for sessions against a loopback broker.

Such a broker has a market time of its own. What counts is that both agree: a bar that is late or early by
more than a stream's patience is no bar to decide on, and at sixty times the speed a start of five seconds is
five minutes. So this clock can wait for the broker, and can be set by what the broker tells. It never goes
back: where it is ahead it stands still until it is not.
"""

import math
from collections.abc import Callable

from runtime.kernel.clock import Cancel, Clock


class PacedClock:
    """Starts at a moment when it is made, and runs `speed` times as fast as another clock.

    Args:
        real: The clock it follows. start: ns UTC it shows at first. speed: above 0.

    Raises:
        ValueError: The speed is no finite number above 0.

    Attributes:
        begins: What it showed at first, ns UTC. made: when that was, ns UTC of the other clock.
    """

    def __init__(self, real: Clock, start: int, speed: float = 1.0) -> None:
        if not (math.isfinite(speed) and speed > 0):
            raise ValueError(f"a clock's speed must be above 0, was {speed:g}")
        self._real = real
        self.made = self._begun = real.now()
        self.begins = self._start = self._least = start
        self._speed = speed
        self._waking: dict[int, Callable[[], None]] = {}
        """By number: what looks anew at a wake-up that is still to come."""
        self._count = 0

    def now(self) -> int:
        """The present, ns UTC."""
        return max(self._least, self.runs(self._real.now()))

    def runs(self, real: int) -> int:
        """What it would show at a moment of the real clock if it had not to wait, ns UTC."""
        return self._start + int((real - self._begun) * self._speed)

    def stand(self, wait: int) -> None:
        """Show the present for so long, real ns; then run on."""
        self._set(self.now(), self._real.now() + wait)

    def follow(self, told: int, at: int) -> None:
        """Agree with another clock of the same speed; where this one is ahead, it stands still until then.

        Args:
            told: What the other showed, ns UTC. at: When, ns UTC of the real clock.
        """
        self._set(told, at)

    def _set(self, start: int, begun: int) -> None:
        self._least = self.now()
        self._start, self._begun = start, begun
        for look in list(self._waking.values()):
            look()

    def call_at(self, at: int, wake: Callable[[], None]) -> Cancel:
        """Call `wake` once when `now()` has reached `at`, never from inside this call."""
        self._count += 1
        number = self._count

        def due() -> int:
            if at <= self._least:
                return self._real.now()  # it has come, though the clock stands
            # One more than rounded up: the float in `now` may fall short of what this one promises.
            return self._begun + math.ceil((at - self._start) / self._speed) + 1

        def reached() -> None:
            del self._waking[number]
            wake()

        cancel = self._real.call_at(due(), reached)

        def look() -> None:
            nonlocal cancel
            cancel()
            cancel = self._real.call_at(due(), reached)

        self._waking[number] = look

        def take_back() -> None:
            self._waking.pop(number, None)
            cancel()

        return take_back
