"""An HTTP/2 server without TLS for the simulated APNs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from devstack.simulators.apns.magic import Break
from devstack.simulators.apns.service import Answer, ApnsSimulator

MAX_STREAMS = 100


@dataclass
class _Request:
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)


class _Connection(asyncio.Protocol):
    def __init__(self, simulator: ApnsSimulator, open_ones: set["_Connection"]) -> None:
        self._simulator = simulator
        self._open_ones = open_ones
        self._requests: dict[int, _Request] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.transport: asyncio.Transport | None = None
        self._last: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's transport is no subclass of it
        self._open_ones.add(self)
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS})
        self._h2.initiate_connection()
        self._flush()

    def connection_lost(self, _error: Exception | None) -> None:
        self._open_ones.discard(self)
        for task in self._answering:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except ProtocolError:
            self._flush()
            self.close()
            return
        for event in events:
            match event:
                case RequestReceived(stream_id=number, headers=headers):
                    self._requests[number] = _Request({str(name): str(value) for name, value in headers})
                case DataReceived(stream_id=number, data=content, flow_controlled_length=length):
                    self._requests[number].body += content or b""
                    self._h2.acknowledge_received_data(length or 0, number)
                case StreamEnded(stream_id=number):
                    task = asyncio.create_task(self._answer(number, self._requests.pop(number)))
                    self._answering.add(task)
                    task.add_done_callback(self._answering.discard)
                case StreamReset(stream_id=number):
                    self._requests.pop(number, None)
        self._flush()

    async def _answer(self, number: int, request: _Request) -> None:
        if self._last is not None and number > self._last:
            return
        answer = self._simulator.answer(request.headers, bytes(request.body))
        if isinstance(answer, Break):
            self._break(number, answer)
            return
        await asyncio.sleep(answer.late_seconds)
        await self._simulator.faults.stalled("apns")
        self._send(number, answer)

    def _break(self, number: int, how: Break) -> None:
        match how.how:
            case "go-away":
                self._go_away(last=max(0, number - 2))
            case "go-away-after":
                self._go_away(last=number)
                self._send(number, Answer(200, headers={"apns-id": "after-go-away"}))
            case "refuse-stream" | "reset-stream":
                code = ErrorCodes.REFUSED_STREAM if how.how == "refuse-stream" else ErrorCodes.INTERNAL_ERROR
                self._h2.reset_stream(number, code)
                self._flush()
            case "swallow":
                self.close()

    def _go_away(self, *, last: int) -> None:
        """As a frame of its own: h2 would send nothing after it. Requests after `last` are not looked at."""
        self._last = last
        payload = last.to_bytes(4) + ErrorCodes.NO_ERROR.to_bytes(4)
        if self.transport is not None:
            self.transport.write(len(payload).to_bytes(3) + b"\x07\x00" + bytes(4) + payload)

    def _send(self, number: int, answer: Answer) -> None:
        try:
            headers = [(":status", str(answer.status)), *answer.headers.items()]
            self._h2.send_headers(number, headers, end_stream=not answer.body)
            if answer.body:
                self._h2.send_data(number, answer.body, end_stream=True)
        except ProtocolError:  # the client has given the request up
            return
        self._flush()

    def _flush(self) -> None:
        if self.transport is not None:
            self.transport.write(self._h2.data_to_send())

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


@asynccontextmanager
async def serving_apns(simulator: ApnsSimulator, host: str, port: int) -> AsyncIterator[int]:
    """Accepts connections on entry; the value is the port. On exit connections are dropped."""
    open_ones: set[_Connection] = set()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(simulator, open_ones), host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for connection in list(open_ones):
            connection.close()
        server.close()
        await server.wait_closed()
