"""An answer leaves in one write, whole and in order."""

import asyncio
import socket

import pytest
import uvicorn

from chassis.http.single_write import MAX_BYTES, GatheringTransport, SingleWriteProtocol
from testkit.eventually import other_tasks


class _Recorder(asyncio.Transport):
    """What was written to a transport."""

    def __init__(self) -> None:
        super().__init__({"peername": ("client", 1)})
        self.written: list[bytes | str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.written.append("closed")


@pytest.fixture
async def gathering() -> tuple[GatheringTransport, _Recorder]:
    recorder = _Recorder()
    return GatheringTransport(recorder, asyncio.get_running_loop().call_soon), recorder


async def test_writes_of_one_turn_are_joined(gathering) -> None:
    transport, recorder = gathering
    transport.write(b"head ")
    transport.writelines([b"bo", b"dy"])
    assert recorder.written == []
    await other_tasks()
    assert recorder.written == [b"head body"]
    transport.write(b"next")
    await other_tasks()
    assert recorder.written == [b"head body", b"next"]
    assert transport.get_extra_info("peername") == ("client", 1)


async def test_large_data_is_written_at_once(gathering) -> None:
    transport, recorder = gathering
    transport.write(b"head ")
    transport.write(b"x" * MAX_BYTES)
    assert recorder.written == [b"head " + b"x" * MAX_BYTES]
    await other_tasks()
    assert len(recorder.written) == 1


async def test_a_transport_that_is_closed_has_written_all_before(gathering) -> None:
    transport, recorder = gathering
    transport.write(b"bye")
    transport.close()
    await other_tasks()
    assert recorder.written == [b"bye", "closed"]


async def _app(scope, receive, send) -> None:
    size = int(scope["path"].strip("/") or 0)
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(size).encode())]})
    for start in range(0, size, 50_000):
        part = min(50_000, size - start)
        await send({"type": "http.response.body", "body": b"x" * part, "more_body": start + part < size})
    if not size:
        await send({"type": "http.response.body"})


@pytest.fixture
async def port():
    config = uvicorn.Config(_app, http=SingleWriteProtocol, log_config=None, lifespan="off", interface="asgi3")
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([listening]))
    yield listening.getsockname()[1]
    server.should_exit = True
    await serving


@pytest.mark.parametrize("sizes", [[5], [0, 5, 3], [5, 3_000_000, 0, 70_000]])
async def test_requests_that_come_together_are_answered_in_order_and_whole(port: int, sizes: list[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    ends = ["keep-alive"] * (len(sizes) - 1) + ["close"]
    for size, end in zip(sizes, ends, strict=True):
        writer.write(f"GET /{size} HTTP/1.1\r\nHost: x\r\nConnection: {end}\r\n\r\n".encode())
    async with asyncio.timeout(20):
        for size in sizes:
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(size) == b"x" * size
        assert await reader.read() == b""
    writer.close()
