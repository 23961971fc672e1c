"""A TCP port that stands for a server and can die or stall: what passes it reaches the real server, until then."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator


class Forwarder:
    """Runs in its own thread. `kill` closes the port and all connections at once, `revive` opens the same port again.

    `stall`: a mail server that falls silent in the middle of DATA. No message passes any more; all else does, until `kill`.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._stalls = False
        self._killed = asyncio.Event()
        self.port = 0

    def kill(self) -> None:
        self._run(self._close)

    def stall(self) -> None:
        self._stalls = True

    def revive(self) -> None:
        self._run(self._listen)

    @contextlib.contextmanager
    def running(self) -> Iterator["Forwarder"]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        self._run(self._listen)
        try:
            yield self
        finally:
            self._run(self._close)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def _run(self, step: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            await step()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    async def _listen(self) -> None:
        self._stalls = False
        self._killed = asyncio.Event()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._killed.set()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers |= {writer, back}
            await asyncio.gather(self._pump_mail(reader, back), _pump(there, writer), return_exceptions=True)
            self._writers -= {writer, back}
            back.close()
        writer.close()

    async def _pump_mail(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """`_pump`, except that a message does not pass while the server stalls."""
        comes_message = False
        while data := await source.read(65_536):
            if comes_message and self._stalls:
                await self._killed.wait()
                return
            comes_message = data.endswith(b"DATA\r\n")
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
