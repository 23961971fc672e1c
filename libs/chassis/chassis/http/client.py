"""HTTP calls to another service: passed-on correlation ids, a service token, a deadline, a circuit breaker, clear errors.

It uses aiohttp, which takes a third of httpx2's CPU per call (ADR 23).
"""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple, TypeVar

import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import TypeAdapter, ValidationError

from chassis.errors import DependencyUnavailable
from chassis.http.envelope import Envelope
from chassis.observability.correlation import outgoing_headers
from chassis.observability.tracing import OFF, Tracing, calling
from chassis.process.breaker import CircuitBreaker, CircuitOpen
from chassis.security import ServiceTokens

__all__ = ["DependencyUnavailable", "ServiceClient", "data_of", "found_of", "plain_session"]

log = structlog.get_logger()
Data = TypeVar("Data")

TIMEOUT = ClientTimeout(total=5.0, sock_connect=1.0, sock_read=3.0)
IDLE_SECONDS = 4.0  # uvicorn closes idle connections after five seconds; the client should close first
NO_ANSWER = (ClientError, HttpProcessingError, OSError)  # TimeoutError is an OSError


def data_of(kind: TypeAdapter[Envelope[Data]], status: int, body: bytes) -> Data | None:
    """The `data` of another service's answer, or None for its 404. Raises DependencyUnavailable for everything else.

    A refused service token or an unreadable answer is our fault and not the caller's.
    """
    if status == 404:
        return None
    try:
        found = kind.validate_json(body).data if status == 200 else None
    except ValidationError as error:
        raise DependencyUnavailable("a look-up's answer was not understood") from error
    if found is None:
        raise DependencyUnavailable(f"a look-up was answered {status}")
    return found


def found_of(kind: TypeAdapter[Envelope[Data]], status: int, body: bytes) -> Data:
    """The answer to a request about many items. A 404 (or 405) means that the service is too old to have this route.

    Raises DependencyUnavailable.
    """
    found = data_of(kind, status, body)
    if found is None:
        raise DependencyUnavailable("the service does not know this request yet: it runs an older release")
    return found


def plain_session(connector: TCPConnector, timeout: ClientTimeout) -> ClientSession:
    """A session without proxies from the environment, without cookies, without compression. Needs a running event loop."""
    return ClientSession(
        connector=connector,
        timeout=timeout,
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
        cookie_jar=DummyCookieJar(),
        trust_env=False,
    )


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    content: bytes


class ServiceClient:
    """Calls the internal API of one other service.

    The calls return (status, body) for every answer below 500, and raise `DependencyUnavailable` otherwise. A 5xx counts as
    a failure at the breaker, unlike when the gateway forwards: it has nothing for the callers, which use caches or ask later.
    A call uses a free connection or opens one. There is no limit on connections here: callers limit them by calling in
    groups.
    """

    def __init__(
        self, base_url: str, audience: str, tokens: ServiceTokens, breaker: CircuitBreaker, tracing: Tracing = OFF
    ) -> None:
        self.breaker = breaker
        self._base_url = base_url.rstrip("/")
        self._audience = audience
        self._tokens = tokens
        self._tracing = tracing
        self._session: ClientSession | None = None

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        return await self._call("GET", path, params=params)

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        return await self._call("POST", path, body=body)

    async def delete(self, path: str) -> tuple[int, bytes]:
        return await self._call("DELETE", path)

    async def _call(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, bytes]:
        with calling(self._tracing, method, self._audience):
            answer = await self._exchange(method, path, params=params, body=body)
        return answer.status, answer.content

    async def _exchange(
        self, method: str, path: str, *, params: Mapping[str, str] | None, body: bytes | None
    ) -> _Answer:
        try:
            async with self.breaker.guard():
                answer = await self._ask(method, path, params, body)
                if answer.status == 401 and self._tokens.set_clock(_time_of(answer.headers)):
                    log.warning("clock.differs", service=self._audience)
                    answer = await self._ask(method, path, params, body)
                if answer.status >= 500:
                    raise DependencyUnavailable(f"{self._audience} answered {answer.status}")
        except CircuitOpen as error:
            raise DependencyUnavailable(f"{self._audience} failed too often, and is not called for now") from error
        except NO_ANSWER as error:
            raise DependencyUnavailable(f"{self._audience} did not answer") from error
        return answer

    async def _ask(self, method: str, path: str, params: Mapping[str, str] | None, body: bytes | None) -> _Answer:
        headers = {**outgoing_headers(), "Authorization": f"Bearer {self._tokens.issue(self._audience)}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        url = self._base_url + path
        request = self._opened().request(method, url, params=params, data=body, headers=headers, allow_redirects=False)
        async with request as answer:
            return _Answer(answer.status, answer.headers, await answer.read())

    async def ping(self) -> None:
        """For health checks. Skips the circuit breaker, and does not count there."""
        async with self._opened().get(f"{self._base_url}/health/live", raise_for_status=True):
            pass

    async def health(self) -> bytes:
        """The body of the service's `/health`, also if it is unhealthy. Skips the circuit breaker, as `ping` does.

        Raises DependencyUnavailable.
        """
        try:
            async with self._opened().get(f"{self._base_url}/health") as answer:
                return await answer.read()
        except NO_ANSWER as error:
            raise DependencyUnavailable(f"{self._audience} did not answer") from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> ClientSession:
        """Opens the session at the first call: it belongs to the running event loop, and the constructor has none."""
        if self._session is None:
            self._session = plain_session(TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS), TIMEOUT)
        return self._session


def _time_of(headers: Mapping[str, str]) -> float:
    """The other side's clock, in seconds since the epoch. Our own clock if the answer has no date."""
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return time.time()
