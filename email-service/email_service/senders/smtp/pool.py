"""A pool of idle connections: connecting costs more round trips than a message."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from email_service.senders.smtp.connection import SmtpConnection


@dataclass(frozen=True, slots=True)
class _Idle:
    connection: SmtpConnection
    since: float


class SmtpPool:
    """Keeps up to `size` idle connections, each for `idle_seconds` after its last use. The most recent one is reused first.

    The caller limits the number of connections in use at once (the engine's slots do).
    """

    def __init__(self, connect: Callable[[], Awaitable[SmtpConnection]], *, size: int, idle_seconds: float) -> None:
        self._connect = connect
        self._size = size
        self._idle_seconds = idle_seconds
        self._idle: deque[_Idle] = deque()  # the one that is idle for longest is the first
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._idle)

    def take_idle(self) -> SmtpConnection | None:
        """A connection that was used before. It may turn out to be dead: some failures are only noticed on use."""
        while self._idle:
            connection = self._idle.pop().connection
            if connection.usable:
                return connection
            connection.close()
        return None

    async def connect(self) -> SmtpConnection:
        """Raises NoConnection."""
        return await self._connect()

    def give_back(self, connection: SmtpConnection) -> None:
        if not connection.usable or len(self._idle) >= self._size:
            connection.close()
            return
        self._idle.append(_Idle(connection, asyncio.get_running_loop().time()))
        if self._timer is None:
            self._wait_for_the_oldest()

    def close(self) -> None:
        """Closes the idle connections. A connection in use is closed when it is given back, or by its user."""
        self._size = 0
        if self._timer is not None:
            self._timer.cancel()
        while self._idle:
            self._idle.pop().connection.close()

    def _wait_for_the_oldest(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._idle[0].since + self._idle_seconds, self._close_idle)

    def _close_idle(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        while self._idle and self._idle[0].since + self._idle_seconds <= now:
            self._idle.popleft().connection.close()
        if self._idle:
            self._wait_for_the_oldest()
