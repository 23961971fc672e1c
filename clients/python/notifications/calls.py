"""One call of the API as a value, without input or output: `transports` sends it.

A call, and any sequence of calls, is a generator. It yields what has to be done (a `Call` to send, a `Pause` to wait), gets
each response, or the error in place of one, and returns the result. Both transports run the same generators.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import count
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, Union
from urllib.parse import quote

import httpx2
from pydantic_core import from_json, to_json

from notifications.connection import API, Connection
from notifications.errors import ApiError, ConnectionFailed, api_error_from, failure_of

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
# Idempotent by HTTP's own rules. A POST says so itself where it is true.
REPEATABLE = frozenset({"GET", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait before the next step."""

    seconds: float


Steps: TypeAlias = Generator[Union["Call[Any]", Pause], Any, T]


class Flow(Protocol[T_co]):
    """A call or a sequence of calls."""

    def __iter__(self) -> Generator[Union["Call[Any]", Pause], Any, T_co]: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: the whole envelope, and the headers."""

    envelope: Mapping[str, Any]
    response: httpx2.Response


Reader = Callable[[Answer], T]


@dataclass(frozen=True)
class Call(Generic[T]):
    """`segments` follow `/api/v1` in the path. `query` is sent without the parameters that are None.

    `body` is sent as JSON, or as it is if it is bytes. `request_id` is that of the notification that the call sends.
    """

    connection: Connection
    method: Method
    segments: tuple[str, ...]
    read: Reader[T]
    query: Mapping[str, Any] = field(default_factory=dict, repr=False)
    body: Any = field(default=None, repr=False)  # a report of an error must not show personal values
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool | None = None
    request_id: str | None = None

    def __iter__(self) -> Steps[T]:
        """Sends it, again if that is safe and can help. Raises ApiError, ConnectionFailed."""
        for attempt in count(1):
            failure: ApiError | ConnectionFailed
            try:
                response = yield self
            except httpx2.RequestError as lost:
                failure = failure_of(lost)
                failure.__cause__ = lost
            else:
                envelope = _envelope_of(response)
                if response.is_success and envelope is not None:
                    return self.read(Answer(envelope, response))
                failure = api_error_from(response, envelope)
            repeatable = self.method in REPEATABLE if self.repeatable is None else self.repeatable
            pause = self.connection.retries.pause_after(failure, attempt) if repeatable else None
            if pause is None:
                failure.request_id = self.request_id
                raise failure
            yield Pause(pause)
        raise AssertionError  # the attempts have no end by themselves

    @cached_property
    def url(self) -> str:
        """Raises ValueError if a part of the path is empty or means another folder."""
        if any(segment in {"", ".", ".."} for segment in self.segments):
            raise ValueError("an id, code or name in the path is empty")
        path = "".join(f"/{quote(segment, safe='')}" for segment in self.segments)
        return f"{self.connection.base_url}{API}{path}"

    @cached_property
    def params(self) -> Mapping[str, str]:
        return {name: _as_parameter(value) for name, value in self.query.items() if value is not None}

    @cached_property
    def content(self) -> bytes | None:
        """Raises ValueError if a value has no form in JSON."""
        return self.body if self.body is None or isinstance(self.body, bytes) else to_json(self.body)

    @property
    def all_headers(self) -> Mapping[str, str]:
        kind = {"Content-Type": "application/json"} if self.body is not None else {}
        return {**self.connection.headers(), **kind, **self.headers}


def _envelope_of(response: httpx2.Response) -> Mapping[str, Any] | None:
    try:
        found = from_json(response.content)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("success"), bool) else None


def _as_parameter(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else str(value)
