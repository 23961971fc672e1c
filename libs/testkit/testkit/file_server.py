"""An HTTP server whose answers are written byte for byte, right or wrong, and that records what it was asked for."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """`raw` is sent, then `endless` for ever; then the connection is closed, or stays silent if it `stalls`."""

    raw: bytes
    endless: bytes = b""
    stalls: bool = False


def file_answer(content: bytes, *headers: str, status: str = "200 OK", content_type: str = "application/pdf") -> Answer:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(content)}", *headers]
    return Answer("\r\n".join(lines).encode() + b"\r\n\r\n" + content)


@dataclass
class FileServer:
    """`answers` by path. `asked` has the heads of the requests, `sent` the bytes that were written, `open` connections."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sent: int = 0
    open: int = 0
    port: int = 0

    @property
    def paths(self) -> list[str]:
        return [head.split(" ")[1] for head in self.asked]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            self.open -= 1
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        path = self.paths[-1].partition("?")[0]
        answer = self.answers.get(path, Answer(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
        await self._send(writer, answer.raw)
        while answer.endless:
            await self._send(writer, answer.endless)
        if answer.stalls:
            await reader.read()  # until the client closes

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        self.sent += len(data)


@asynccontextmanager
async def running_file_server(
    host: str = "127.0.0.1", port: int = 0, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[FileServer]:
    files = FileServer()
    server = await asyncio.start_server(files.serve, host, port, ssl=context)
    files.port = server.sockets[0].getsockname()[1]
    try:
        yield files
    finally:
        server.close()
