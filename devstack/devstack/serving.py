"""ASGI apps served inside a running loop, several beside each other, without touching the process's signals."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Literal

import uvicorn
from fastapi import FastAPI

from chassis.http.bounded import BoundedProtocol


@asynccontextmanager
async def serving(
    app: FastAPI, listener: socket.socket, *, lifespan: Literal["on", "off"] = "on", grace_seconds: int = 10
) -> AsyncIterator[None]:
    """Accepting on entry; on exit no new requests, those in flight are given `grace_seconds`, then the lifespan ends.

    Raises RuntimeError when the app's own start failed.
    """
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
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
            raise RuntimeError(f"{app.title} did not start; its log says why")
        yield
    finally:
        accepting.cancel()
        server.should_exit = True
        await task


class _QuietServer(uvicorn.Server):
    """Leaves the signals to whoever runs the loop, and tells when it accepts."""

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
