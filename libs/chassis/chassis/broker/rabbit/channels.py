"""The channels of the hot path: aiormq's own, one level below aio-pika."""

from typing import cast

from aio_pika import Connection
from aio_pika.exceptions import ChannelInvalidStateError
from aiormq.channel import Channel

# aio-pika's channels hold ten frames between socket and channel: three deliveries, or ten confirms, for each turn of the
# event loop. On a busy loop the rest of the prefetch then waits in the socket, a tenth of a second and more, and what is
# urgent waits behind it. What can come at once is bounded by the prefetch and by the size of a published group.
FRAMES = 4096


async def open_channel(connection: Connection, *, confirms: bool) -> Channel:
    """A channel of `connection`; with `confirms`, one whose returned messages fail their confirm."""
    if connection.transport is None:
        raise ChannelInvalidStateError("the connection is lost")
    await connection.transport.ready()
    opened = await connection.transport.connection.channel(
        publisher_confirms=confirms, on_return_raises=confirms, frame_buffer_size=FRAMES
    )
    return cast("Channel", opened)
