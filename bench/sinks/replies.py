"""Replies with a delay, like those of a distant or slow provider."""

import asyncio
from dataclasses import dataclass


@dataclass
class Delay:
    """The delay before each reply, in seconds. It may change while the sink runs."""

    seconds: float = 0.0


class Replier:
    """Sends each reply `delay` after its command arrived. Commands that were sent together wait once, and the order is
    kept.
    """

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
