"""Why no entry may leave now: one place that knows, asked once for each entry. Exits never ask.

Source: architecture 4; strategies 0; faults.md B 24, D 44, G 66.
"""

from collections.abc import Iterable

import msgspec

from runtime.messages.trading import Side

FOR_NOW = 2**62
"""ns UTC; later than any session: a halt whose end is not known."""


class GateState(msgspec.Struct, frozen=True, kw_only=True):
    """What the market and the broker have said of symbols and the account (`EntryGate` has the words)."""

    until: dict[str, int]
    untradable: list[str]
    unborrowable: list[str]
    doubted: dict[str, str]
    eaten: dict[str, str]
    frozen: dict[str, str]
    deaf: str
    waits: str
    blocked: str
    can_short: bool


class EntryGate:
    """Everything that keeps entries back.

    Args:
        is_halted: Whether the kill switch is thrown.
        reconciles: Whether entries wait for the first comparison with the broker.
        rest: No entries in a symbol for so long after its halt ended, ns.
    """

    def __init__(self, *, is_halted: bool, reconciles: bool, rest: int) -> None:
        self.is_halted = is_halted
        self._rest = rest
        self._deaf = ""
        self._waits = "our books have not been compared with the broker's yet" if reconciles else ""
        self._blocked = ""
        self._can_short = True
        self._until: dict[str, int] = {}
        self._untradable: dict[str, None] = {}
        self._unborrowable: dict[str, None] = {}
        self._doubted: dict[str, str] = {}
        self._eaten: dict[str, str] = {}
        self._frozen: dict[str, str] = {}
        self._closed = ""
        self._judge()

    def state(self) -> GateState:
        """All that is known."""
        return GateState(
            until=self._until,
            untradable=list(self._untradable),
            unborrowable=list(self._unborrowable),
            doubted=self._doubted,
            eaten=self._eaten,
            frozen=self._frozen,
            deaf=self._deaf,
            waits=self._waits,
            blocked=self._blocked,
            can_short=self._can_short,
        )

    def restore(self, state: GateState) -> None:
        """Know what another instance knew."""
        self._until, self._doubted = dict(state.until), dict(state.doubted)
        self._eaten, self._frozen = dict(state.eaten), dict(state.frozen)
        self._deaf, self._waits = state.deaf, state.waits
        self.assets(state.untradable, state.unborrowable)
        self._blocked, self._can_short = state.blocked, state.can_short
        self._judge()

    def _judge(self) -> None:
        """Bring together what does not depend on the symbol; it is asked far more often than it changes."""
        halted = "the kill switch is thrown" if self.is_halted else ""
        self._closed = halted or self._deaf or self._waits or self._blocked

    def refusal(self, symbol: str, side: Side, now: int) -> str:
        """Why an entry may not leave now, or empty."""
        if self._closed:
            return self._closed
        if self._until.get(symbol, 0) > now:
            return f"{symbol} is halted, or resumed too short a while ago"
        if symbol in self._doubted:
            return self._doubted[symbol]
        if symbol in self._eaten:
            return self._eaten[symbol]
        if symbol in self._frozen:
            return self._frozen[symbol]
        if symbol in self._untradable:
            return f"{symbol} is not tradable at the broker"
        if side == "sell":
            if not self._can_short:
                return "the account is not allowed to short"
            if symbol in self._unborrowable:
                return f"{symbol} cannot be borrowed"
        return ""

    # ---- what closes it ---------------------------------------------------------------------

    def halt(self, is_halted: bool) -> None:
        """The kill switch."""
        self.is_halted = is_halted
        self._judge()

    def stream(self, ready: bool, reason: str) -> None:
        """No entry while the events of our orders may not reach us."""
        self._deaf = "" if ready else f"the order stream is not ready: {reason}"
        self._judge()

    @property
    def is_deaf(self) -> bool:
        """Whether the order stream is not ready."""
        return bool(self._deaf)

    def wait(self, reason: str) -> None:
        """Why entries wait for our books to agree with the broker's; empty: they do, or it is settled."""
        self._waits = reason
        self._judge()

    @property
    def is_waiting(self) -> bool:
        """Whether that has not come yet."""
        return bool(self._waits)

    def account(self, *, blocked: bool, can_short: bool) -> None:
        """What the account may do."""
        self._blocked = "the account is blocked" if blocked else ""
        self._can_short = can_short
        self._judge()

    def symbol_halted(self, symbol: str, halted: bool, now: int) -> None:
        """A trading halt, or its end, after which the symbol rests."""
        self._until[symbol] = FOR_NOW if halted else now + self._rest

    def is_symbol_halted(self, symbol: str) -> bool:
        """Whether trading in it is halted now."""
        return self._until.get(symbol) == FOR_NOW

    def assets(self, untradable: Iterable[str], unborrowable: Iterable[str]) -> None:
        """What the broker does not trade or lend."""
        self._untradable = dict.fromkeys(untradable)
        self._unborrowable = dict.fromkeys(unborrowable)

    def refused_asset(self, symbol: str, reason: str) -> None:
        """Learn from a refusal, so that it is not asked for again and again."""
        if "is not tradable" in reason or ("asset" in reason and "not found" in reason):
            self._untradable[symbol] = None
        elif "cannot be sold short" in reason or "not shortable" in reason:
            self._unborrowable[symbol] = None
        elif "not allowed to short" in reason:
            self._can_short = False

    def doubt(self, symbol: str, reason: str) -> None:
        """Keep entries out of a symbol until a comparison agrees; empty: let them in again."""
        if reason:
            self._doubted[symbol] = reason
        else:
            self._doubted.pop(symbol, None)

    def eaten(self, symbol: str, reason: str) -> None:
        """Keep entries out of a symbol in which somebody else sold shares of ours; empty: as `doubt`."""
        if reason:
            self._eaten[symbol] = reason
        else:
            self._eaten.pop(symbol, None)

    def freeze(self, symbol: str, reason: str) -> None:
        """Keep entries out of a symbol for the session: its shares or its name change; empty: let them in."""
        if reason:
            self._frozen[symbol] = reason
        else:
            self._frozen.pop(symbol, None)
