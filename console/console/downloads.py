"""Files of the API that a page offers. They are passed on while they come, so a long one needs no memory."""

from collections.abc import AsyncIterator

import httpx2
import structlog
from starlette.responses import StreamingResponse
from starlette.types import Send

log = structlog.get_logger()


class Download(StreamingResponse):
    """A file that breaks off has no end: the connection is closed without one, and the browser reports an error."""

    def __init__(self, file: httpx2.Response, name: str) -> None:
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        super().__init__(_parts(file), media_type=file.headers.get("content-type"), headers=headers)

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        except httpx2.RequestError:
            log.warning("download.broken_off")


async def _parts(file: httpx2.Response) -> AsyncIterator[bytes]:
    try:
        async for part in file.aiter_bytes():
            yield part
    finally:
        await file.aclose()
