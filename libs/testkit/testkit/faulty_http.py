"""An HTTP server whose answers get lost or are replaced, one fault a request."""

import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


# `late`: the request is served, and the answer is delayed until the client hangs up. `reset`: it is served, and the
# connection is reset. A Reply: it is not served. None: all is well.
Fault = Literal["late", "reset"] | Reply | None


class FaultyServer(ThreadingHTTPServer):
    """`asked` are the requests so far. `faults` are those of the next requests; after them all is well."""

    def __init__(self, serve: Callable[[Asked], Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.serve = serve

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def fail(self, faults: Iterable[Fault]) -> None:
        self.asked.clear()
        self.faults[:] = faults

    def take(self, asked: Asked) -> Fault:
        self.asked.append(asked)
        return self.faults.pop(0) if self.faults else None

    @contextmanager
    def running(self) -> Iterator["FaultyServer"]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: FaultyServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        self.close_connection = True
        with suppress(ConnectionError):
            self.raw_requestline = self.rfile.readline()
            if self.raw_requestline and self.parse_request():
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._serve(Asked(self.command, self.path, dict(self.headers.items()), body))

    def _serve(self, asked: Asked) -> None:
        fault = self.server.take(asked)
        if isinstance(fault, Reply):
            self._answer(fault)
            return
        reply = self.server.serve(asked)
        if fault is None:
            self._answer(reply)
            return
        self.close_connection = True
        if fault == "late":
            self.rfile.read(1)  # returns once the client has hung up
        else:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _answer(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Logs nothing."""
