"""Notifies the app when its server begins to stop."""

import socket

import uvicorn
from fastapi import FastAPI


class AnnouncingServer(uvicorn.Server):
    """Calls what the app gave to `Runtime.stop_with`, then waits for the requests in flight."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if isinstance(self.config.app, FastAPI):
            for stop in getattr(self.config.app.state, "stops", ()):
                stop()
        await super().shutdown(sockets)
