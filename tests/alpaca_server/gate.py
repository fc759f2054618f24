"""The door of the REST side: who is let in, how many requests a minute, and which fault meets a request.

A request is judged, carried out and answered here; its trade updates leave after the answer, unless a switch
says otherwise. The faults work on the wire: a dropped connection is a TCP reset, a stall never answers.
"""

import asyncio
import json
import math
from collections import deque
from collections.abc import Callable
from typing import Any

import anyio
from aiohttp import web

from tests.alpaca_server.calls import Answer, Call
from tests.alpaca_server.faults import MALFORMED, Fault, Faults
from tests.alpaca_server.options import Options
from tests.alpaca_server.paper import PaperBroker
from tests.alpaca_server.recording import Exchange, History
from tests.alpaca_server.refusals import INTERNAL, RATE, Refused
from tests.alpaca_server.trade_stream import TradeStream

WINDOW_S = 60.0
DROPPED = -1

_BEFORE = (
    "stall_before",
    "drop_before",
    "gateway_timeout_before",
    "server_error_before",
    "rate_limited",
    "rate_limited_bare",
    "refuse",
)
_AFTER = (
    "edit",
    "malformed",
    "gateway_timeout_after",
    "server_error_after",
    "stall_after",
    "drop_after",
)


def _page(title: str) -> str:
    """What nginx answers in place of the service."""
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )


class RateLimit:
    """Requests of the last minute of real time.

    Args:
        limit: Requests a minute; 0: no limit.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._came: deque[float] = deque()

    def admit(self) -> bool:
        """Count a request; False when it is one too many."""
        now = asyncio.get_running_loop().time()
        while self._came and self._came[0] <= now - WINDOW_S:
            self._came.popleft()
        if self._limit and len(self._came) >= self._limit:
            return False
        self._came.append(now)
        return True

    def headers(self, epoch_s: int) -> dict[str, str]:
        """The three headers; the reset is a second of the service's own clock."""
        if not self._limit:
            return {}
        rest = 0.0
        if self._came:
            rest = max(0.0, self._came[0] + WINDOW_S - asyncio.get_running_loop().time())
        return {
            "X-RateLimit-Limit": str(self._limit),
            "X-RateLimit-Remaining": str(max(0, self._limit - len(self._came))),
            "X-RateLimit-Reset": str(epoch_s + math.ceil(rest)),
        }


class Gate:
    """Serves every REST request.

    Args:
        history: Where requests are recorded.
        trades: Where trade updates go.
    """

    def __init__(
        self, options: Options, broker: PaperBroker, faults: Faults, history: History, trades: TradeStream
    ) -> None:
        self._options = options
        self._broker = broker
        self._faults = faults
        self._history = history
        self._trades = trades
        self._limits = {"trading": RateLimit(options.rate_limit), "data": RateLimit(options.rate_limit)}
        self.closing = False

    async def serve(self, act: Callable[[Call], Answer], request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        body = await request.read()
        site = f"{request.method} {request.path}"
        record = self._history.add(
            at=self._broker.clock.now(), where="rest", what=site, query=dict(request.query), body=body,
            headers={name.lower(): value for name, value in request.headers.items()}, json=_decoded(body),
        )  # fmt: skip
        await self._travel(request)
        kept_out = self._kept_out(request) or await self._before(site, request, record)
        if kept_out is not None:
            return await self._send(request, record, kept_out)
        if record.status == DROPPED:
            return _nothing()
        answer = self._carry_out(act, request, site, body, record)
        answered = asyncio.Event()
        events_first = self._faults.take(site, "events_first")
        # A switch that never lets the answer out must not keep the events in.
        self._trades.publish(self._broker.teller, None if events_first else answered)
        try:
            if events_first is not None:
                record.fault = "events_first"
                await self._trades.settled()
            response = await self._after(site, request, record, answer, answered)
            if response is None:
                return _nothing()
            return await self._send(request, record, response)
        finally:
            answered.set()

    async def upgrade(self, request: web.Request) -> web.StreamResponse | None:
        """What a switch does to a websocket's upgrade; None: it goes on."""
        fault = self._faults.take(f"{request.method} {request.path}", *_BEFORE)
        if fault is None:
            return None
        match fault.kind:
            case "stall_before":
                await fault.released.wait()
                return _nothing() if self.closing else None
            case "drop_before":
                if request.transport is not None:
                    request.transport.abort()
                return _nothing()
            case "refuse":
                return _refusal(fault)
            case "rate_limited" | "rate_limited_bare":
                return web.Response(status=429, text="too many connections")
            case "gateway_timeout_before":
                return _html(504, "504 Gateway Time-out")
            case _:
                return _html(500, "500 Internal Server Error")

    def _kept_out(self, request: web.Request) -> web.Response | None:
        key, secret = request.headers.get("APCA-API-KEY-ID"), request.headers.get("APCA-API-SECRET-KEY")
        if key is None or secret is None:
            return web.Response(
                status=401, text=_page("401 Authorization Required"), content_type="text/html"
            )
        if (key, secret) != (self._options.key, self._options.secret):
            return _json(401, {"message": "unauthorized."})
        if not self._limit(request).admit():
            return _json(429, {"code": RATE, "message": "rate limit exceeded"})
        return None

    def _limit(self, request: web.Request) -> RateLimit:
        return self._limits["data" if _is_data(request) else "trading"]

    async def _travel(self, request: web.Request) -> None:
        """The way there and back, as long as the account is far away."""
        if self._options.data_latency_s and _is_data(request):
            await anyio.sleep(self._options.data_latency_s)

    async def _before(self, site: str, request: web.Request, record: Exchange) -> web.Response | None:
        """What a switch does in place of the request; None: it is carried out, or was dropped."""
        fault = self._faults.take(site, *_BEFORE)
        if fault is None:
            return None
        record.fault = fault.kind
        match fault.kind:
            case "stall_before":
                await self._stall(fault, record)
                if self.closing:
                    _drop(request, record)
            case "drop_before":
                _drop(request, record)
            case "gateway_timeout_before":
                return _html(504, "504 Gateway Time-out")
            case "server_error_before":
                return _json(500, {"code": INTERNAL, "message": "internal server error occurred"})
            case "rate_limited":
                after = fault.get("retry_after", None)
                extra = {} if after is None else {"Retry-After": str(after)}
                return _json(429, {"code": RATE, "message": "rate limit exceeded"}, extra)
            case "rate_limited_bare":
                response = web.Response(status=429, text="too many requests.")
                response.headers["X-Bare"] = "1"
                return response
            case "refuse":
                return _refusal(fault)
        return None

    def _carry_out(
        self, act: Callable[[Call], Answer], request: web.Request, site: str, body: bytes, record: Exchange
    ) -> Answer:
        call = Call(
            path=dict(request.match_info),
            query=dict(request.query),
            body=body,
            lag=self._faults.take(site, "lag"),
            partial=self._faults.take(site, "partial_207"),
        )
        record.fault = record.fault or ("lag" if call.lag else "partial_207" if call.partial else "")
        self._broker.catch_up()
        try:
            answer = act(call)
        except Refused as refused:
            return Answer(status=refused.status, body=refused.body)
        record.applied = True
        return answer

    async def _after(
        self, site: str, request: web.Request, record: Exchange, answer: Answer, answered: asyncio.Event
    ) -> web.Response | None:
        """The answer as the switches leave it; None: there is none, and the connection is gone."""
        response = _json(answer.status, answer.body, answer.headers)
        for fault in self._faults.all(site, *_AFTER):
            record.fault = fault.kind
            match fault.kind:
                case "edit":
                    answer.body = fault.given["change"](answer.body)
                    response = _json(answer.status, answer.body, answer.headers)
                case "malformed":
                    response = _malformed(fault, answer)
                case "gateway_timeout_after":
                    response = _html(504, "504 Gateway Time-out")
                case "server_error_after":
                    response = _json(500, {"code": INTERNAL, "message": "internal server error occurred"})
                case "stall_after":
                    answered.set()
                    await self._stall(fault, record)
                case "drop_after":
                    answered.set()
                    _drop(request, record)
                    return None
        return response

    async def _stall(self, fault: Fault, record: Exchange) -> None:
        record.status = DROPPED
        self._history.touch()
        await fault.released.wait()
        record.status = 0

    async def _send(self, request: web.Request, record: Exchange, response: web.Response) -> web.Response:
        response.headers["Date"] = self._broker.clock.http_date()
        response.headers["X-Request-ID"] = f"{record.number:032x}"
        if response.headers.pop("X-Bare", None) is None:
            told_s = self._broker.clock.told() // 1_000_000_000
            response.headers.update(self._limit(request).headers(told_s))
        record.status = response.status
        await response.prepare(request)
        await response.write_eof()
        self._history.touch()
        return response


def _is_data(request: web.Request) -> bool:
    return request.path.startswith(("/v2/stocks", "/v1"))


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    if body is None:
        return web.Response(status=status, headers=headers)
    text = json.dumps(body, separators=(",", ":"))
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)


def _html(status: int, title: str) -> web.Response:
    return web.Response(status=status, text=_page(title), content_type="text/html")


def _refusal(fault: Fault) -> web.Response:
    status = fault.get("status", 403)
    if fault.get("html", False):
        return _html(status, f"{status} Error")
    body = {"code": fault.get("code", status * 100_000), "message": fault.get("message", "forbidden.")}
    return _json(status, body | fault.get("extra", {}), fault.get("headers", None))


def _malformed(fault: Fault, answer: Answer) -> web.Response:
    how = fault.get("how", "truncated")
    if how not in MALFORMED:
        raise ValueError(f"an answer can be malformed as {MALFORMED}, was {how!r}")
    body = answer.body
    match how:
        case "html":
            return _html(200, "Welcome to nginx!")
        case "empty":
            return web.Response(status=200, text="", content_type="application/json")
        case "list":
            return _json(200, [])
        case "missing_id":
            body = _spoilt(body, lambda one: {name: value for name, value in one.items() if name != "id"})
        case "other_client_order_id":
            body = _spoilt(body, lambda one: one | {"client_order_id": "somebody-elses"})
        case "null_qty":
            body = _spoilt(body, lambda one: one | {"qty": None, "filled_qty": None})
    if body is None:
        return _json(answer.status, None, answer.headers)
    text = json.dumps(body, separators=(",", ":"))
    if how == "truncated":
        text = text[: len(text) // 2]
    return web.Response(status=200, text=text, content_type="application/json")


def _spoilt(body: Any, spoil: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A body with its object, or each object of its list, spoilt; what has no fields has none to spoil."""
    if isinstance(body, list):
        return [_spoilt(one, spoil) for one in body]
    return spoil(body) if isinstance(body, dict) else body


def _drop(request: web.Request, record: Exchange) -> None:
    record.status = DROPPED
    if request.transport is not None:
        request.transport.abort()


def _nothing() -> web.Response:
    return web.Response(status=500)  # never leaves: the connection is gone
