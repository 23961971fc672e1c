"""HTTP to another service: correlation ids carried on, a service token, a deadline, a circuit breaker, clear errors."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx2
import structlog
from pydantic import TypeAdapter, ValidationError

from chassis.breaker import CircuitBreaker, CircuitOpen
from chassis.correlation import outgoing_headers
from chassis.envelope import Envelope
from chassis.errors import DependencyUnavailable
from chassis.security import ServiceTokens
from chassis.tracing import OFF, Tracing, calling

__all__ = ["DependencyUnavailable", "ServiceClient", "data_of", "found_of"]

log = structlog.get_logger()
Data = TypeVar("Data")


def data_of(kind: TypeAdapter[Envelope[Data]], status: int, body: bytes) -> Data | None:
    """The `data` another service answered, None for its 404. Raises DependencyUnavailable for everything else.

    A refused service token, or an answer that cannot be read, is ours to repair and nothing that our caller did.
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
    """The answer to a question about many, where a 404 (or 405) is a service that is older than the question.

    Raises DependencyUnavailable.
    """
    found = data_of(kind, status, body)
    if found is None:
        raise DependencyUnavailable("a service is older than what it was asked")
    return found


class ServiceClient:
    """Calls the internal API of one other service.

    `get`/`post` return (status, body) for every answer below 500, and raise `DependencyUnavailable` otherwise.
    """

    def __init__(
        self, base_url: str, audience: str, tokens: ServiceTokens, breaker: CircuitBreaker, tracing: Tracing = OFF
    ) -> None:
        self.breaker = breaker
        self._audience = audience
        self._tokens = tokens
        self._tracing = tracing
        self._http = httpx2.AsyncClient(
            base_url=base_url,
            timeout=httpx2.Timeout(3.0, connect=1.0),
            limits=httpx2.Limits(max_connections=50, max_keepalive_connections=20),
            follow_redirects=False,
        )

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        return await self._call("GET", path, params=dict(params or {}))

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        return await self._call("POST", path, body=body)

    async def _call(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, bytes]:
        with calling(self._tracing, method, self._audience):
            return await self._exchange(method, path, params=params, body=body)

    async def _exchange(
        self, method: str, path: str, *, params: Mapping[str, str] | None, body: bytes | None
    ) -> tuple[int, bytes]:
        headers = {**outgoing_headers(), **({} if body is None else {"Content-Type": "application/json"})}
        try:
            async with self.breaker.guard(never_made=httpx2.PoolTimeout):
                answer = await self._ask(
                    self._http.build_request(method, path, params=params, content=body, headers=headers)
                )
                if answer.status_code == 401 and self._tokens.set_clock(_time_of(answer)):
                    log.warning("clock.differs", service=self._audience)
                    answer = await self._ask(answer.request)
                if answer.status_code >= 500:
                    raise DependencyUnavailable(f"{self._audience} answered {answer.status_code}")
        except CircuitOpen as error:
            raise DependencyUnavailable(f"{self._audience} is resting after failures") from error
        except httpx2.HTTPError as error:
            raise DependencyUnavailable(f"{self._audience} did not answer") from error
        return answer.status_code, answer.content

    async def _ask(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["Authorization"] = f"Bearer {self._tokens.issue(self._audience)}"
        return await self._http.send(request)

    async def ping(self) -> None:
        """For health checks: is it alive? Goes past the breaker and does not count there."""
        (await self._http.get("/health/live")).raise_for_status()

    async def close(self) -> None:
        await self._http.aclose()


def _time_of(answer: httpx2.Response) -> float:
    """The other side's clock, in seconds since the epoch; ours when it does not say."""
    try:
        return parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return time.time()
