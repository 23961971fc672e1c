"""A response that ends in the middle."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class BrokenOff(Response):
    """It is shorter than it announces, so the server closes the connection."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
