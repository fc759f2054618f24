"""What the executor knows that outlives it: over a session's end, or into another part of the session."""

import msgspec

from actors.execution.account_side import AccountState
from actors.execution.lot_orders import LotOrders
from runtime.messages.account import ExternalChanged


class ExecutorCarried(msgspec.Struct, frozen=True, kw_only=True):
    """Lots that are not flat or have a working order, and how the kill switch stands.

    Attributes:
        is_flattening: Whether the halt wants everything sold. is_confirmed: whether it was told as done.
        external: What the account has beside our lots. doubted: symbols that differ from the broker's.
        account: In the middle of a session, what is known of the account; `lots` are then all of today's.
        unannounced: Session (ISO) in which it was last warned that the account has no corporate actions.
    """

    lots: list[LotOrders]
    is_halted: bool
    is_flattening: bool = False
    is_confirmed: bool = False
    external: list[ExternalChanged] = []
    doubted: list[str] = []
    account: AccountState | None = None
    unannounced: str = ""
