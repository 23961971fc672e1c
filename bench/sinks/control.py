"""The harness's connection to a sink: one command per line, one JSON response per line. `Remote` is the harness's side."""

import asyncio
import json
import socket
from typing import Any

from bench.sinks.replies import Delay
from bench.sinks.tally import Tally


class Control:
    """`count`; `arrivals`; `clear`; `delay SECONDS`."""

    def __init__(self, tally: Tally, delay: Delay) -> None:
        self._tally = tally
        self._delay = delay

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(self.obey(line.decode().split())).encode() + b"\n")
            await writer.drain()
        writer.close()

    def obey(self, words: list[str]) -> object:
        match words:
            case ["count"]:
                return self._tally.number
            case ["arrivals"]:
                return self._tally.arrivals
            case ["clear"]:
                self._tally.clear()
                return None
            case ["delay", seconds]:
                self._delay.seconds = float(seconds)
                return None
        raise ValueError(f"no such command: {words}")


class Remote:
    """A sink in another process, reached at its control port."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._lines = self._socket.makefile("rb")

    def count(self) -> int:
        return int(self._ask("count"))

    def arrivals(self) -> list[tuple[str, float]]:
        """(notification id, time on the monotonic clock), in order."""
        return [(str(key), float(when)) for key, when in self._ask("arrivals")]

    def clear(self) -> None:
        self._ask("clear")

    def delay(self, seconds: float) -> None:
        self._ask(f"delay {seconds}")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def _ask(self, command: str) -> Any:
        self._socket.sendall(command.encode() + b"\n")
        return json.loads(self._lines.readline())
