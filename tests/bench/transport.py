"""The other end of a protocol, without a socket."""

import asyncio


class Transport(asyncio.WriteTransport):
    """Remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    @property
    def codes(self) -> list[int]:
        return [int(line[:3]) for line in self.written.splitlines() if line[3:4] == b" "]
