"""Reads what is announced of our symbols: at every start of a process, and when PRE_MARKET begins.

Without an answer after a few tries the session is told that there is none: trading goes on, and the market
alone tells of splits.
Source: strategies 0; faults.md G 65; alpaca.md 4.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Protocol

from actors.broker import announcements
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.kernel.clock import Clock, happens_by
from runtime.kernel.gateway import Gateway, Inbox, Port
from runtime.kernel.supervisor import back_off
from runtime.log import get_logger
from runtime.messages.corporate import CorporateAction, CorporateActionsRead
from runtime.messages.session import SessionHeader
from runtime.text import one_line

TRIES = 3
LOOK_BACK_DAYS = 10
"""An older split has been seen by a session in between, or its lots were looked at by a person."""
SYMBOLS_A_REQUEST = 200
MOST_PAGES = 50
_PAGE = "1000"
_ABSENT = (403, 404)
"""The plan does not cover them, or the host has no such address."""
_SECOND = 1_000_000_000

_log = get_logger(__name__)


class Announcements(Protocol):
    """Where announcements are read."""

    async def corporate_actions(self, query: Mapping[str, str]) -> dict[str, Any]:
        """One page.

        Raises:
            BrokerUnavailable: No answer; ask again. BrokerRejected, KeysRefused: There is no point in it.
        """


class CorporateActions(Gateway):
    """Does its work twice a session at most, then ends.

    Args:
        held: Symbols of our lots, whether the session's table has them or not.
        clock: Market time. real: time of waits.
    """

    def __init__(
        self,
        inbox: Inbox,
        port: Port,
        *,
        header: SessionHeader,
        source: Announcements,
        held: Callable[[], Iterable[str]],
        clock: Clock,
        real: Clock,
        name: str = "corporate_actions",
    ) -> None:
        super().__init__(name, inbox, port)
        self._header, self._source, self._held = header, source, held
        self._clock, self._real = clock, real

    async def run(self) -> None:
        """Read at once, and again when PRE_MARKET begins if that is still to come."""
        again = next((row.ts for row in self._header.phases if row.phase == "PRE_MARKET"), 0)
        is_before = self._clock.now() < again
        await self._tell()
        if is_before and not await happens_by(self._clock, self.stopping, again):
            await self._tell()

    async def _tell(self) -> None:
        session = self._header.session
        since = (date.fromisoformat(session) - timedelta(days=LOOK_BACK_DAYS)).isoformat()
        why, absent = "", False
        for attempt in range(1, TRIES + 1):
            try:
                found = await self._read(since)
            except BrokerUnavailable as error:
                why, absent = one_line(str(error), 300), error.status in _ABSENT
            except (BrokerRejected, KeysRefused) as error:
                why, absent = one_line(str(error), 300), error.status in _ABSENT
                break
            else:
                self._post(since, tuple(found))
                return
            wait = back_off(self.name, attempt, _SECOND)
            if attempt < TRIES and await happens_by(self._real, self.stopping, self._real.now() + wait):
                return  # untold: the next start asks again
        if absent:
            _log.info("this account has no corporate actions: the market alone tells of splits", reason=why)
        self._post(since, (), why, absent=absent)

    def _post(
        self, since: str, found: tuple[CorporateAction, ...], why: str = "", *, absent: bool = False
    ) -> None:
        self.port(
            "market",
            CorporateActionsRead(
                ts_event=self._clock.now(),
                session=self._header.session,
                since=since,
                actions=found,
                available=not why,
                reason=why,
                absent=absent,
            ),
        )

    async def _read(self, since: str) -> list[CorporateAction]:
        """Everything announced of our symbols from a date to the session's, by date and symbol."""
        wanted = dict.fromkeys((*self._header.symbols, *self._held()))
        names = list(wanted)
        query = {
            "types": announcements.TYPES, "start": since, "end": self._header.session, "limit": _PAGE,
            "sort": "asc",
        }  # fmt: skip
        if len(names) <= SYMBOLS_A_REQUEST:
            # An address has room for so many; beyond that all there is costs fewer requests.
            query["symbols"] = ",".join(names)
        found: list[CorporateAction] = []
        bad = 0
        for _ in range(MOST_PAGES):
            page = await self._source.corporate_actions(query)
            actions, unread = announcements.read(page, wanted)
            found += actions
            bad += unread
            token = page.get("next_page_token")
            if not isinstance(token, str) or not token:
                break
            query["page_token"] = token
        if bad:
            _log.warning("corporate actions that cannot be read", count=bad)
        until = self._header.session
        return sorted(
            (one for one in found if since <= one.ex_date <= until),
            key=lambda one: (one.ex_date, one.symbol, one.kind),
        )
