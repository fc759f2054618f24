"""Minutes of earlier sessions are asked for several at a time, and told as far as they came in time."""

import anyio
import anyio.to_thread
import pytest

from actors.live_minutes import LINES, minute_fetcher
from runtime.errors import BrokerUnavailable
from storage.loaders.own_minutes import Minutes

SPANS = [(at, at + 1) for at in range(6)]


class History:
    """Answers later spans first; some never, some with an error."""

    def __init__(self, *, silent: int = -1, refused: int = -1) -> None:
        self.silent, self.refused = silent, refused
        self.closed = self.under_way = self.most = 0

    async def minute_columns(self, symbols, start, end) -> Minutes:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await self._told(symbols, start)
        finally:
            self.under_way -= 1

    async def _told(self, symbols, start) -> Minutes:
        for _ in range(2 * (len(SPANS) - start)):
            await anyio.lowlevel.checkpoint()
        if start == self.silent:
            await anyio.sleep_forever()
        if start == self.refused:
            raise BrokerUnavailable("not now", is_unknown=False)
        return Minutes.of({(start, name): (1.0, 1.0, 1.0, 1.0, 1.0) for name in symbols})

    async def aclose(self) -> None:
        self.closed += 1


async def fetched(history: History, seconds: float = 5.0) -> list[int]:
    fetch = minute_fetcher(lambda: history, seconds)
    told = await anyio.to_thread.run_sync(fetch, ["AAA"], SPANS)
    assert history.closed == 1
    return [int(one.ts[0]) for one in told]


async def test_spans_come_in_the_order_in_which_they_were_asked_for():
    assert await fetched(History()) == [0, 1, 2, 3, 4, 5]


async def test_no_more_spans_are_begun_than_can_be_read_so_that_the_first_are_whole_when_time_is_up():
    history = History(silent=5)
    assert await fetched(history, 0.05) == [0, 1, 2, 3, 4]
    assert history.most == LINES


@pytest.mark.parametrize(("history", "seconds"), [(History(silent=3), 0.05), (History(refused=3), 5.0)])
async def test_what_does_not_come_ends_the_list_and_is_said(history, seconds, capsys):
    found = await fetched(history, seconds)
    assert found == list(range(len(found)))
    assert len(found) <= 3
    assert "incomplete" in capsys.readouterr().out
