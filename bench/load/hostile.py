"""`python -m bench.load.hostile PORT SECONDS`: attacks a server without a complete request.

It does three things at the same time: connections without any bytes, half bodies, and one connection after another with
endless headers. Closed connections are opened again. The first printed line says that the whole attack is running. SIGTERM
ends it, and the last line is its outcome.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine
from dataclasses import asdict, dataclass

import uvloop

IDLE, HALF_BODIES = 2_000, 200
HEADER_BYTES = 150 * 1024 * 1024
PIECE = 64 * 1024
AT_ONCE = 50  # connections being opened
PAUSE_SECONDS = 0.05  # before a closed connection is opened again
RAMP_SECONDS = 10.0  # they are opened over the gateway's time limit for them, so that they are also closed evenly
UNDER_WAY = 0.95  # of the silent connections
HEAD = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
FIELDS = (b"X-Field: " + b"a" * 53 + b"\r\n") * (PIECE // 64)
VALUE = b"a" * PIECE
# The announced bytes; half of them are sent. The first is the gateway's limit for clients without credentials.
BODIES = (4_000_000, 60_000)


@dataclass
class Sent:
    """`refused` counts connections that the server closed."""

    header_bytes: int = 0
    connections: int = 0
    refused: int = 0


class Hostile:
    """`seconds` is the length of the attack. The headers take half of it, evenly distributed, if the server keeps up."""

    def __init__(self, port: int, seconds: float) -> None:
        self._port = port
        self._pause = seconds / 2 * PIECE / HEADER_BYTES
        self._opening = asyncio.Semaphore(AT_ONCE)
        self._tasks: list[asyncio.Task[None]] = []
        self._open = 0
        self.under_way = asyncio.Event()  # once the connections are open
        self.sent = Sent()

    def start(self) -> None:
        self._run(self._endless_headers())
        for number in range(HALF_BODIES):
            self._run(self._held(_half_a_body(BODIES[number % len(BODIES)])))
        for number in range(IDLE):
            self._run(self._held(b"", after=RAMP_SECONDS * number / IDLE))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _run(self, work: Coroutine[object, object, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with self._opening:
            streams = await asyncio.open_connection("127.0.0.1", self._port)
        self.sent.connections += 1
        return streams

    async def _held(self, said: bytes, after: float = 0.0) -> None:
        """A connection on which these bytes were sent and nothing follows; repeated."""
        await asyncio.sleep(after)
        while True:
            try:
                reader, writer = await self._connect()
                self._open += 1
                if self._open >= UNDER_WAY * IDLE:
                    self.under_way.set()
                try:
                    writer.write(said)
                    await reader.read()
                finally:
                    self._open -= 1
                    writer.close()
            except OSError:
                pass
            self.sent.refused += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _endless_headers(self) -> None:
        """An endless value, and endless fields, in turns."""
        await self.under_way.wait()
        while self.sent.header_bytes < HEADER_BYTES:
            try:
                _, writer = await self._connect()
                try:
                    await self._headers(writer, FIELDS if self.sent.refused % 2 else VALUE)
                finally:
                    writer.close()
            except OSError:
                self.sent.refused += 1

    async def _headers(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        writer.write(HEAD + b"X-Field: ")
        while self.sent.header_bytes < HEADER_BYTES:
            writer.write(piece)
            await writer.drain()
            self.sent.header_bytes += PIECE
            await asyncio.sleep(self._pause)


def _half_a_body(size: int) -> bytes:
    return HEAD + b'Content-Length: %d\r\n\r\n{"password": "' % size + b"a" * (size // 2)


async def attack(port: int, seconds: float) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    hostile = Hostile(port, seconds)
    hostile.start()
    await hostile.under_way.wait()
    _say("under way")
    await ended.wait()
    await hostile.stop()
    _say(json.dumps(asdict(hostile.sent)))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(attack(int(sys.argv[1]), float(sys.argv[2])))
