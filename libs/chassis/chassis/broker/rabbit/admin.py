"""Questions to the broker over one kept channel, one at a time.

Kept, because aio-pika holds on to a few objects of every channel until its connection ends; one at a time, because a
refused question closes the channel.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aio_pika import Connection
from aio_pika.abc import AbstractChannel

from chassis.broker.base import BrokerUnavailable
from chassis.broker.rabbit.link import ManagedConnection
from chassis.broker.rabbit.patience import within
from chassis.broker.rabbit.topology import TopologyConflict


class Admin:
    def __init__(self, link: ManagedConnection, *, seconds: float) -> None:
        self._link = link
        self._seconds = seconds
        self._connection: Connection | None = None
        self._channel: AbstractChannel | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[AbstractChannel]:
        """Whatever goes wrong inside becomes ``BrokerUnavailable``, a ``TopologyConflict`` excepted."""
        async with self._turn:
            connection = self._link.connection()
            try:
                async with within(self._seconds):
                    yield await self._open(connection)
            except (BrokerUnavailable, TopologyConflict):
                raise
            except TimeoutError as error:
                self._link.drop(connection)
                raise BrokerUnavailable("the broker does not answer") from error
            except Exception as error:
                raise BrokerUnavailable(f"{type(error).__name__}: {error}") from error

    async def _open(self, connection: Connection) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed or self._connection is not connection:
            self._channel = connection.channel(publisher_confirms=False)
            self._connection = connection
            await self._channel.initialize()
        return self._channel
