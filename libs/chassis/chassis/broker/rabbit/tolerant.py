"""Keeps one malformed message from cutting the connection, for ever.

The client library ends the connection over a message whose properties it cannot decode: a correlation id that is not
UTF-8, a timestamp out of range. The broker then delivers that message again, first of all, and the whole queue stands
still behind it. So after such a loss the next connection reads the properties of such a message as empty: the handler
sees it and can reject it. Only then, because looking at every message first costs a fifth of a consumer's CPU.
Our own messages are always well-formed; others can publish to the exchange too.
"""

import asyncio
from typing import Any, cast

import structlog
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from pamqp.constants import FRAME_HEADER
from pamqp.header import ContentHeader
from yarl import URL

log = structlog.get_logger()

FRAME_PREFIX = 7  # type, channel, length
FIXED_PART = 12  # class, weight, body size: the part of a content header before its property flags


def was_undecodable(error: BaseException | None) -> bool:
    """Whether a connection ended over what it had read, rather than over the network or a word of the broker."""
    return error is not None and not isinstance(error, ConnectionError | asyncio.CancelledError)


class TolerantReader:
    """The three methods of a ``StreamReader`` that the client's frame reader uses."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._frame_type = b""

    def at_eof(self) -> bool:
        return self._reader.at_eof()

    async def read(self, n: int = -1) -> bytes:
        return await self._reader.read(n)

    async def readexactly(self, n: int) -> bytes:
        """A frame is read as its type (1 byte), the rest of its prefix (6 bytes), and its payload with the end mark."""
        data = await self._reader.readexactly(n)
        if n == 1:
            self._frame_type = data
        elif n != FRAME_PREFIX - 1 and self._frame_type[0] == FRAME_HEADER:
            return decodable(data)
        return data


def decodable(payload: bytes) -> bytes:
    """The content header as it came, or, where it cannot be decoded, one of the same length without properties."""
    try:
        ContentHeader().unmarshal(payload[:-1])
    except Exception as error:  # noqa: BLE001 - whatever it is, it would end the connection and come again
        log.warning("broker.properties_undecodable", reason=f"{type(error).__name__}: {error}")
        return payload[:FIXED_PART] + b"\0\0" + payload[FIXED_PART + 2 :]
    return payload


class TolerantTransport(TransportFactory):
    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        inner = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, writer = await inner.create(url, **kwargs)
        return cast("asyncio.StreamReader", TolerantReader(reader)), writer
