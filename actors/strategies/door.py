"""Which of the things a strategy says may leave: signals that are sound and admitted, and notes.

What it may not say is refused under its name; what is neither is its crash.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from actors.strategies.admission import Admission
from actors.strategies.context import StrategyContext
from actors.strategies.speech import NAME, clipped, foreign, heard
from runtime.messages.base import Decision
from runtime.messages.trading import SignalDropped, SignalRaised


class SignalDoor:
    """Stands between one strategy and everybody else.

    Args:
        name: The strategy's. state: What it is allowed just now, and why not more (`Admission.judge`).

    Attributes:
        spoken: Ids of the session's signals so far.
    """

    def __init__(
        self,
        context: StrategyContext,
        admission: Admission,
        name: str,
        state: Callable[[], tuple[str, str]],
    ) -> None:
        self.spoken: set[str] = set()
        self._context, self._admission = context, admission
        self._name, self._state = name, state

    def examine(self, said: Iterable[Decision] | None, *, late: bool = False) -> Iterator[Decision]:
        """Let signals leave that may, and notes; anything else a strategy says is its crash.

        Args:
            late: Whether it was said to a bar that came late.
        """
        if said is None:
            return
        context, admission, state = self._context, self._admission, self._state()
        made, spoken, seq = context.made, self.spoken, context.moment.seq
        for message in said:
            if (
                type(message) is SignalRaised
                and made.pop(message.id, None) is message
                and message.cause == seq
            ):
                told = message  # made this moment by the base of strategies, which checked it
            else:
                heard_one = heard(message, context)
                if type(heard_one) is not SignalRaised:
                    yield heard_one
                    continue
                told = heard_one
                why = foreign(told, context) or ("id was used before" if told.id in spoken else "")
                if why:
                    # Under an id of its own: the refusal is not to be taken for the true owner's signal's.
                    yield self._drop(msgspec.structs.replace(told, id=context.next_id()), "INVALID", why)
                    continue
            spoken.add(told.id)
            if late and told.signal_type != "CLOSE":
                yield self._drop(told, "LATE", "a late bar never triggers an entry")
                continue
            reason, detail = admission.judge(told, state)
            yield self._drop(told, reason, detail) if reason else told
        if made:
            made.clear()

    def _drop(self, signal: SignalRaised, reason: str, detail: str) -> SignalDropped:
        numbers = (
            f"{signal.signal_type} {signal.price:.6g} stop {signal.stop_loss} target {signal.take_profit}"
        )
        moment = self._context.moment
        return SignalDropped(
            ts_event=moment.now,
            cause=moment.seq,
            signal_id=signal.id,
            strategy=self._name,
            symbol=clipped(signal.symbol, NAME),
            status="rejected",
            reason=reason,
            detail=f"{detail}; {numbers}" if detail else numbers,
        )
