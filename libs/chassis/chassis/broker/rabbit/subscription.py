"""One channel and the consumer on it: what lives and dies with a connection."""

from collections.abc import Callable
from contextlib import suppress

from aio_pika import Connection
from aio_pika.exceptions import ChannelInvalidStateError
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic

from chassis.broker.rabbit.channels import open_channel
from chassis.broker.rabbit.patience import within
from chassis.broker.rabbit.settlement import RabbitDelivery, Settlements


class Subscription:
    """``receive`` gets each delivery and only passes it on; ``cancelled`` is told when the broker ends the consumer."""

    def __init__(
        self,
        channel: Channel,
        receive: Callable[[RabbitDelivery], None],
        cancelled: Callable[[], None],
    ) -> None:
        self._channel = channel
        self._receive = receive
        self._cancelled = cancelled
        self._tag: str | None = None
        self.settlements = Settlements(channel)
        channel.on_consumer_cancel_callbacks.add(self._on_cancel)

    @classmethod
    async def open(
        cls,
        connection: Connection,
        prefetch: int,
        receive: Callable[[RabbitDelivery], None],
        cancelled: Callable[[], None],
    ) -> "Subscription":
        channel = await open_channel(connection, confirms=False)
        await channel.basic_qos(prefetch_count=prefetch)
        return cls(channel, receive, cancelled)

    @property
    def lost(self) -> bool:
        return self._channel.is_closed

    @property
    def consuming(self) -> bool:
        """The client forgets the tag of a consumer that the broker cancelled, and tells nobody else."""
        return not self.lost and self._tag in self._channel.consumers

    async def consume(self, queue: str) -> None:
        answer = await self._channel.basic_consume(queue, self._on_message)
        self._tag = answer.consumer_tag

    async def cancel(self) -> None:
        """No more deliveries; those in hand can still be settled."""
        if self.consuming and self._tag is not None:
            await self._channel.basic_cancel(self._tag)
        self._tag = None

    async def close(self, seconds: float) -> None:
        """Gives back what is not settled. Never raises: a channel that is lost has given it back already."""
        with suppress(Exception):
            async with within(seconds):
                await self.settlements.flush()
                await self._channel.close(ChannelInvalidStateError("closed"))

    async def _on_message(self, message: DeliveredMessage) -> None:
        self._receive(self.settlements.begin(message))

    def _on_cancel(self, _: Basic.Cancel) -> None:
        self._cancelled()
