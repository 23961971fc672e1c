"""Replies that are kept back for a while, as by a distant or slow provider."""

import asyncio
from dataclasses import dataclass


@dataclass
class Delay:
    """Before each reply, in seconds; set while the sink runs."""

    seconds: float = 0.0


class Replier:
    """Each reply leaves `delay` after what it answers came: commands sent together wait once, and the order stays."""

    def __init__(self, transport: asyncio.WriteTransport, delay: Delay) -> None:
        self._transport = transport
        self._delay = delay

    def say(self, reply: bytes, *, last: bool = False) -> None:
        if self._delay.seconds:
            asyncio.get_running_loop().call_later(self._delay.seconds, self._write, reply, last)
        else:
            self._write(reply, last)

    def _write(self, reply: bytes, last: bool) -> None:
        if not self._transport.is_closing():
            self._transport.write(reply)
            if last:
                self._transport.close()
