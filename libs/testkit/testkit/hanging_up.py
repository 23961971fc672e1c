"""A client that announces a larger body than it sends, and disconnects."""

import asyncio
from collections.abc import Mapping
from urllib.parse import SplitResult


async def hang_up(url: SplitResult, path: str, headers: Mapping[str, str], *, chunked: bool = False) -> None:
    """Sends a head and part of the body, waits until the server has received them, and closes."""
    length = "Transfer-Encoding: chunked" if chunked else "Content-Length: 1000"
    given = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    usual = "Host: x\r\nContent-Type: application/json\r\nExpect: 100-continue"
    head = f"POST {path} HTTP/1.1\r\n{usual}\r\n{length}\r\n{given}\r\n"
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(head.encode())
    assert b" 100 " in await asyncio.wait_for(reader.readline(), 10), "somebody reads the body"
    writer.write(b'5\r\n{"a":\r\n' if chunked else b'{"a":')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
