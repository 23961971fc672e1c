"""The two clients."""

from types import TracebackType
from typing import Self

import httpx2

from notifications.connection import connect
from notifications.resources.root import Root
from notifications.retrying import RetryPolicy
from notifications.transports import AsyncTransport, SyncTransport

TIMEOUT_SECONDS = 10.0


class Notifications(Root[SyncTransport]):
    """A client that blocks. Several threads may share one; close it, or use it in a `with`.

    `base_url` is the gateway's address (default: `NOTIFICATIONS_URL`), `api_key` defaults to `NOTIFICATIONS_API_KEY`.
    `access_token` or `login` are for people. `timeout` is how many seconds an attempt waits for the server. `http_client`
    brings its own proxies, certificates and connections, and is closed by whoever made it.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        access_token: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        retries: RetryPolicy = RetryPolicy(),
        http_client: httpx2.Client | None = None,
    ) -> None:
        connection = connect(base_url, api_key, access_token, timeout=timeout, retries=retries)
        super().__init__(SyncTransport(connection, http_client))

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncNotifications(Root[AsyncTransport]):
    """`Notifications` in an event loop: the same methods, awaitable. Lists are iterated with `async for`."""

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        access_token: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        retries: RetryPolicy = RetryPolicy(),
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        connection = connect(base_url, api_key, access_token, timeout=timeout, retries=retries)
        super().__init__(AsyncTransport(connection, http_client))

    async def close(self) -> None:
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
