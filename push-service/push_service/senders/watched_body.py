"""A request's body that knows whether the request was written, so that its sender knows what a failure means."""

import select

from aiohttp import BytesPayload
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import StreamWriter

_ENDED = select.POLLERR | select.POLLHUP | getattr(select, "POLLRDHUP", 0)  # the last is Linux's: half closed


class WatchedBody(BytesPayload):
    """aiohttp keeps a request's head back until its body, and hands both to the transport in one piece.

    `written` is False while nothing of the request can have left. `found_stale` says that the kept connection it was to
    go out on was of no use: closed by the server, of which the event loop may be about to learn when aiohttp takes the
    connection for a good one, or answered unasked.
    """

    written = False
    found_stale = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if isinstance(writer, StreamWriter) and _is_stale(writer):
            self.found_stale = True
            raise ConnectionResetError
        self.written = True
        await super().write_with_length(writer, content_length)


def _is_stale(writer: StreamWriter) -> bool:
    transport, protocol = writer.transport, writer.protocol
    if transport is None or transport.is_closing():
        return True
    if isinstance(protocol, ResponseHandler) and protocol.should_close:
        return True
    ended = select.poll()
    ended.register(transport.get_extra_info("socket").fileno(), _ENDED)
    return bool(ended.poll(0))
