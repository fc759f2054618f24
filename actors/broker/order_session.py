"""An order's request in as few steps as HTTP takes: between the last look and the bytes nothing is idle.

`requests` prepares every request for cookies, redirects, proxies and hooks, and writes head and body apart,
each of them a packet and a turn at the interpreter. A POST needs none of it. What is answered, and what a
failure is, stays what `requests` makes of it.
"""

from typing import Any

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class OneWrite(HTTPConnection):
    """Hands head and body of a request to the system together."""

    _held: bytearray | None = None

    def request(self, *given: Any, **named: Any) -> None:
        """Send a request."""
        self._held = bytearray()
        try:
            super().request(*given, **named)
            whole = bytes(self._held)
        finally:
            self._held = None
        super().send(whole)

    def send(self, data: Any) -> None:
        """Keep a part of a request until it is whole."""
        if self._held is None:
            super().send(data)
        else:
            self._held += data


class _SecureOneWrite(OneWrite, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = OneWrite


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureOneWrite


class Timed(HTTPAdapter):
    """Gives every request a time-out that has none."""

    def __init__(self, timeout: tuple[float, float]) -> None:
        self._timeout = timeout
        # One thread uses a session at a time, and urllib3 repeats nothing.
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        """Make connections of our kind."""
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Send a request and wait for its head."""
        return super().send(
            request,
            stream=stream,
            timeout=self._timeout if timeout is None else timeout,
            verify=verify,
            cert=cert,
            proxies=proxies,
        )


class OrderSession(requests.Session):
    """A session for one host, without proxies and `.netrc`, whose POSTs leave at once."""

    def __init__(self, timeout: tuple[float, float]) -> None:
        super().__init__()
        self.is_raw = False
        """Whether the bodies of answers are handed on as bytes."""
        self.trust_env = False  # no proxy, no .netrc that would take the keys' place
        for scheme in ("https://", "http://"):
            self.mount(scheme, Timed(timeout))

    def request(self, method: Any, url: Any, *given: Any, **named: Any) -> requests.Response:
        """Send a request; a POST of JSON to an address that is plain already goes the short way."""
        if method != "POST" or given or named.keys() != {"headers", "allow_redirects", "json"}:
            answer = super().request(method, url, *given, **named)
            if self.is_raw:
                answer.json = lambda **_: answer.content  # type: ignore[method-assign]
            return answer
        body = msgspec.json.encode(named["json"])
        asked = requests.PreparedRequest()
        asked.method, asked.url, asked.body = method, url, body
        asked.headers = requests.structures.CaseInsensitiveDict(self.headers)
        asked.headers.update(named["headers"])
        asked.headers["Content-Type"] = "application/json"
        asked.headers["Content-Length"] = str(len(body))
        answer = self.get_adapter(url).send(asked, verify=True)
        answer.content  # noqa: B018 - read while the connection is ours
        return answer
