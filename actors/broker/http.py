"""alpaca-py made safe: time-outs, no hidden repeats, errors that say who must act.

The library sets no time-out, repeats POSTs on 429 and 504 by itself and raises whatever `requests` raises.
Here every request ends within its time-outs, is sent once, and fails as one of three errors, none of which
holds the request: its headers have the keys.
Source: alpaca.md A; faults.md 1.3 and 10.
"""

import warnings
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec
import requests
from urllib3.exceptions import NameResolutionError, NewConnectionError

from actors.broker.order_session import OrderSession
from actors.broker.wire import ErrorBody
from config.secrets import Secrets
from runtime.errors import BrokerRejected, BrokerUnavailable, KeysRefused
from runtime.text import one_line

with warnings.catch_warnings():
    # The library's streams, which are not used here, import a deprecated module.
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient

Json = Any
Send = Callable[["Connection"], Json]

_TOO_MANY, _NOT_FOUND, _UNAUTHORIZED, _FORBIDDEN, _REQUEST_TIMEOUT = 429, 404, 401, 403, 408

_ABSENT = ("order not found", "position does not exist", "symbol not found", "asset not found")
"""What the broker says where it leaves out the code; as alpaca.md 3.0 has them."""


class Connection:
    """One kept-alive connection to the trading host, for one thread at a time.

    Args:
        url: Scheme and host, without version or path.
        timeout: Seconds to connect and seconds to wait for the next bytes.

    Raises:
        KeysRefused: There are no keys.
    """

    def __init__(self, url: str, keys: Secrets, timeout: tuple[float, float]) -> None:
        if keys.api_key is None or keys.secret_key is None:
            raise KeysRefused("no keys in the environment")
        self._client = TradingClient(
            keys.api_key.reveal(), keys.secret_key.reveal(), raw_data=True, url_override=url.rstrip("/")
        )
        session = getattr(self._client, "_session", None)
        if not isinstance(session, requests.Session) or not hasattr(self._client, "_retry"):
            raise RuntimeError("this alpaca-py keeps its session elsewhere; time-outs cannot be set")
        session.close()
        self._session = self._client._session = OrderSession(timeout)
        self._client._retry = 0

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """GET; the decoded body. Raises as `call`."""
        return call("GET", lambda: self._client.get(path, dict(query or {})))

    def get_bytes(self, path: str, query: Mapping[str, str] | None = None, *, version: str = "v2") -> bytes:
        """GET; the body as it came: large ones are better decoded by who knows what is in them."""
        self._session.is_raw = True
        try:
            asked = dict(query or {})
            return call("GET", lambda: self._client.get(path, asked, api_version=version)) or b""
        finally:
            self._session.is_raw = False

    def post(self, path: str, body: Mapping[str, object]) -> Json:
        """POST, likewise."""
        return call("POST", lambda: self._client.post(path, dict(body)))

    def patch(self, path: str, body: Mapping[str, object]) -> Json:
        """PATCH, likewise."""
        return call("PATCH", lambda: self._client.patch(path, dict(body)))

    def delete(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """DELETE, likewise; None where the answer is empty."""
        return call("DELETE", lambda: self._client.delete(path, dict(query or {})))

    def close(self) -> None:
        """Close the socket."""
        self._session.close()


def call(method: str, send: Callable[[], Json]) -> Json:
    """Send one request and say in our words what went wrong with it.

    Raises:
        BrokerRejected: A definite no, with the broker's code and words.
        BrokerUnavailable: No answer or none that can be read; `is_unknown` unless nothing was done.
        KeysRefused: The keys are wrong.
    """
    changes = method != "GET"
    try:
        return send()
    except APIError as error:
        failure = _of_answer(error, changes)
    except requests.exceptions.JSONDecodeError:
        failure = BrokerUnavailable("an answer that is no JSON", is_unknown=changes)
    except requests.RequestException as error:
        failure = BrokerUnavailable(_words(error), is_unknown=changes and not _never_sent(error))
    except RecursionError:
        failure = BrokerUnavailable("an answer nested too deep", is_unknown=changes)
    # Outside the handlers: no chain leads to the request, whose headers have the keys.
    raise failure


def _of_answer(error: APIError, changes: bool) -> Exception:
    """What an answer of 400 or more means."""
    response = error._http_error.response
    status = int(response.status_code)
    body = _body(str(error))
    said = one_line(body.message or "", 300) if body else ""
    code = _code(body)
    if status == _TOO_MANY:
        return BrokerUnavailable(
            f"too many requests (429) {said}".rstrip(),
            is_unknown=False,
            retry_after=_pause(response.headers) or 1.0,
        )
    if status >= 500 or status == _REQUEST_TIMEOUT:
        return BrokerUnavailable(f"status {status} {said}".rstrip(), is_unknown=changes)
    if status == _UNAUTHORIZED or (status == _FORBIDDEN and not code and said.startswith("forbidden")):
        return KeysRefused(f"status {status} {said}".rstrip(), status=status)
    if status == _NOT_FOUND and (not (code or _is_absent(said)) or "endpoint" in said):
        # Only the broker's own words prove that something is not there, not those of a proxy.
        return BrokerUnavailable(f"status 404 {said}".rstrip(), is_unknown=changes, status=status)
    if body is not None and body.reject_reason:
        said = f"{said} ({one_line(body.reject_reason, 200)})"
    symbol = one_line(body.symbol or "", 20) if body else ""
    return BrokerRejected(said or f"status {status}", status=status, code=code, symbol=symbol)


def _is_absent(said: str) -> bool:
    return said.startswith(_ABSENT)


def _body(text: str) -> ErrorBody | None:
    try:
        return msgspec.json.decode(text, type=ErrorBody)
    except (ValueError, RecursionError):
        return None


def _code(body: ErrorBody | None) -> int:
    try:
        return int(body.code or 0) if body else 0
    except ValueError:
        return 0


def _pause(headers: Mapping[str, str]) -> float:
    """Seconds to wait: Retry-After, else until the limit is reset by the broker's own clock; 0: unknown."""
    try:
        if "Retry-After" in headers:
            return max(0.0, float(headers["Retry-After"]))
        if "X-RateLimit-Reset" in headers and "Date" in headers:
            told = parsedate_to_datetime(headers["Date"]).timestamp()
            return max(0.0, float(headers["X-RateLimit-Reset"]) - told)
    except (ValueError, TypeError):
        return 0.0
    return 0.0


def _never_sent(error: requests.RequestException) -> bool:
    """Whether no byte of the request can have reached the broker."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    inner: object = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    return isinstance(reason, NewConnectionError | NameResolutionError)


def _words(error: requests.RequestException) -> str:
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "connecting timed out"
    if isinstance(error, requests.exceptions.Timeout):
        return "the answer timed out"
    if _never_sent(error):
        return "could not connect"
    return f"the connection broke ({type(error).__name__})"
