"""How a method is written once and is there twice: blocking in `Notifications`, awaitable in `AsyncNotifications`.

A resource's method describes its call and sends nothing. The decorator carries it out on the resource's transport, and gives
it the type that editors and type checkers see: `get(id) -> NotificationDetail`, or a coroutine of one.
"""

from collections.abc import Callable, Coroutine, Mapping
from functools import update_wrapper, wraps
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from notifications.answers.base import Page
from notifications.calls import Call, Flow, Method, Reader
from notifications.paging import AsyncPages, Listing, Pages
from notifications.transports import AsyncTransport, SyncTransport

P = ParamSpec("P")
T = TypeVar("T")
Transport = TypeVar("Transport", bound=SyncTransport | AsyncTransport)


class Resource(Generic[Transport]):
    """A group of methods that share a transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport: Transport = transport

    def _call(
        self,
        method: Method,
        segments: tuple[str, ...],
        read: Reader[T],
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        **options: Any,
    ) -> Call[T]:
        """The path's segments follow `/api/v1`; see `Call` for the options."""
        return Call(self._transport.connection, method, segments, read, query=query or {}, body=body, **options)

    def _listing(self, segments: tuple[str, ...], read: Reader[Page[T]], **query: Any) -> Listing[T]:
        query["limit"] = query.pop("page_size", None)
        return Listing(self._call("GET", segments, read, query=query))


class endpoint(Generic[P, T]):  # noqa: N801 - a decorator
    """For a method that returns a call, or is a generator of several."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self.describe = describe
        update_wrapper(self, describe)  # type: ignore[arg-type]

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: Resource[SyncTransport], kind: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, owner: Resource[AsyncTransport], kind: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, owner: Resource[Any] | None, kind: type) -> Any:
        if owner is None:
            return self

        @wraps(self.describe)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return owner._transport.run(self.describe(owner, *args, **kwargs))  # noqa: SLF001 - its own

        return method


class listing(Generic[P, T]):  # noqa: N801 - a decorator
    """For a method that returns a list in pages."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Listing[T]]) -> None:
        self.describe = describe
        update_wrapper(self, describe)  # type: ignore[arg-type]

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: Resource[SyncTransport], kind: type) -> Callable[P, Pages[T]]: ...
    @overload
    def __get__(self, owner: Resource[AsyncTransport], kind: type) -> Callable[P, AsyncPages[T]]: ...
    def __get__(self, owner: Resource[Any] | None, kind: type) -> Any:
        if owner is None:
            return self
        transport = owner._transport  # noqa: SLF001 - its own
        pages = Pages if isinstance(transport, SyncTransport) else AsyncPages

        @wraps(self.describe)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return pages(transport, self.describe(owner, *args, **kwargs))

        return method
