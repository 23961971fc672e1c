"""Lists that come in pages. `Listing` says which call gets which page; `Pages` and `AsyncPages` get them in turn."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from notifications.answers.base import Page
from notifications.calls import Call
from notifications.transports import AsyncTransport, SyncTransport

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """The call for the first page, and for each page after it."""

    first: Call[Page[T]]

    def after(self, page: Page[T]) -> Call[Page[T]] | None:
        """By cursor where the list has cursors: fast at any depth, and nothing is skipped if rows are added meanwhile."""
        if not page.meta.has_next:
            return None
        if page.meta.next_cursor is not None:
            changed = {"cursor": page.meta.next_cursor, "page": None}
        else:
            changed = {"page": str(page.meta.page + 1)}
        return replace(self.first, query={**self.first.query, **changed})


class Pages(Iterable[T]):
    """A list: iterate over it, or take its pages. Pages are got when they are needed, anew for each iteration."""

    def __init__(self, transport: SyncTransport, listing: Listing[T]) -> None:
        self._transport, self._listing = transport, listing

    def page(self) -> Page[T]:
        """The first page only."""
        return self._transport.run(self._listing.first)

    def pages(self) -> Iterator[Page[T]]:
        call: Call[Page[T]] | None = self._listing.first
        while call is not None:
            page = self._transport.run(call)
            yield page
            call = self._listing.after(page)

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.items


class AsyncPages(AsyncIterable[T]):
    """`Pages` in an event loop: `async for`."""

    def __init__(self, transport: AsyncTransport, listing: Listing[T]) -> None:
        self._transport, self._listing = transport, listing

    async def page(self) -> Page[T]:
        """The first page only."""
        return await self._transport.run(self._listing.first)

    async def pages(self) -> AsyncIterator[Page[T]]:
        call: Call[Page[T]] | None = self._listing.first
        while call is not None:
            page = await self._transport.run(call)
            yield page
            call = self._listing.after(page)

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for item in page.items:
                yield item
