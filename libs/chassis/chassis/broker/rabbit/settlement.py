"""Acknowledgements of one channel. Acknowledgements given together are written together, without waiting for a timer."""

from collections.abc import Mapping

from aiormq.abc import ChannelFrame, DeliveredMessage, TaskType
from aiormq.channel import Channel
from pamqp.commands import Basic

Answer = Basic.Ack | Basic.Reject


class Settlements:
    """Writes answers in their order. Drops them if the channel is lost: another channel cannot acknowledge them."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._answers: list[Answer] = []
        self._writer: TaskType | None = None
        self.in_hand = 0
        self.received = 0

    @property
    def lost(self) -> bool:
        return self._channel.is_closed

    def begin(self, message: DeliveredMessage) -> "RabbitMessage":
        self.in_hand += 1
        self.received += 1
        return RabbitMessage(message, self)

    def settle(self, answer: Answer) -> None:
        self.in_hand -= 1
        if self.lost:
            return
        self._answers.append(answer)
        if self._writer is None or self._writer.done():
            # A task of the channel ends with the channel. Our own task would wait for ever on a write queue that is not read.
            self._writer = self._channel.create_task(self._write())

    async def flush(self) -> None:
        """Returns when every answer so far is in the channel's write queue. Raises if the channel is lost."""
        if self._writer is not None:
            await self._writer

    async def _write(self) -> None:
        while self._answers:
            answers, self._answers = self._answers, []
            await self._channel.write_queue.put(ChannelFrame.marshall(self._channel.number, answers))


class RabbitMessage:
    """An ``IncomingMessage``. It can be settled only over the channel that delivered it."""

    __slots__ = (
        "_settled",
        "_settlements",
        "_tag",
        "body",
        "correlation_id",
        "headers",
        "message_id",
        "priority",
        "redelivered",
        "routing_key",
    )

    def __init__(self, message: DeliveredMessage, settlements: Settlements) -> None:
        properties = message.header.properties
        self.body: bytes = message.body
        self.message_id: str = properties.message_id or ""
        self.correlation_id: str = properties.correlation_id or ""
        self.priority: int = properties.priority or 0
        self.headers: Mapping[str, object] = properties.headers or {}
        self.redelivered: bool = bool(message.redelivered)
        self.routing_key: str = message.routing_key or ""
        self._tag = message.delivery_tag or 0
        self._settlements = settlements
        self._settled = False

    @property
    def taken_back(self) -> bool:
        return self._settlements.lost

    async def ack(self) -> None:
        self._settle(Basic.Ack(delivery_tag=self._tag))

    async def reject(self) -> None:
        self._settle(Basic.Reject(delivery_tag=self._tag, requeue=False))

    async def requeue(self) -> None:
        self._settle(Basic.Reject(delivery_tag=self._tag, requeue=True))

    def _settle(self, answer: Answer) -> None:
        """Settles once only: the broker closes the channel after a second answer for the same message."""
        if not self._settled:
            self._settled = True
            self._settlements.settle(answer)
