"""Serves several ASGI apps in a running event loop, without changing the process's signal handlers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Literal

import uvicorn
from fastapi import FastAPI

from chassis.http.bounded import BoundedProtocol
from chassis.server.stopping import AnnouncingServer
from devstack.plan import StackError


@asynccontextmanager
async def serving(
    app: FastAPI,
    listener: socket.socket,
    *,
    lifespan: Literal["on", "off"] = "on",
    grace_seconds: int = 10,
    ws: Literal["none", "websockets-sansio"] = "none",
) -> AsyncIterator[None]:
    """Accepts requests on entry. On exit it accepts no new ones, gives running ones `grace_seconds`, and ends the lifespan.

    With `ws` the app may have WebSocket routes.

    Raises StackError if the app fails to start.
    """
    config = uvicorn.Config(
        app,
        http=_UpgradingProtocol,
        ws=ws,
        log_config=None,
        access_log=False,
        lifespan=lifespan,
        timeout_graceful_shutdown=grace_seconds,
    )
    server = _QuietServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    accepting = asyncio.create_task(server.accepting.wait())
    try:
        await asyncio.wait({task, accepting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            raise StackError(f"{app.title} did not start; its log says why")
        yield
    finally:
        accepting.cancel()
        server.should_exit = True
        await task


class _UpgradingProtocol(BoundedProtocol):
    """The deadlines of HTTP end when a connection becomes a WebSocket."""

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        self._over = True
        self._in_time()


class _QuietServer(AnnouncingServer):
    """Leaves the signals to the owner of the event loop, and reports when it accepts requests."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.accepting.set()
