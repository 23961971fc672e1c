"""The publisher, which returns one outcome for each message."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog
from aio_pika import Connection

from chassis.broker.interface import BrokerUnavailable, Publication, PublishFailed, Unroutable
from chassis.broker.rabbit.confirms import ConfirmingChannel
from chassis.broker.rabbit.connection import ManagedConnection
from chassis.broker.rabbit.timeouts import until

log = structlog.get_logger()

CLOSE_SECONDS = 5.0
PublishOutcome = PublishFailed | None  # None: confirmed


class InFlight:
    """The message ids in flight. Each may be there only once: with duplicates, a returned message could not be identified."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._released = asyncio.Event()

    async def reserve(self, wanted: Mapping[int, str], deadline: float) -> list[int]:
        """Takes free ids. Returns their positions, at least one; none if all ids stay taken until ``deadline``."""
        while not (reserved := self._take(wanted)):
            self._released.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._released.wait()
            except TimeoutError:
                return []
        return reserved

    def _take(self, wanted: Mapping[int, str]) -> list[int]:
        reserved = []
        for index, message_id in wanted.items():
            if message_id not in self._ids:
                self._ids.add(message_id)
                reserved.append(index)
        return reserved

    def discard(self, message_ids: Iterable[str]) -> None:
        self._ids.difference_update(message_ids)
        self._released.set()


class Publisher:
    """``publish_many`` of the broker. Calls may overlap. Each takes at most ``seconds``.

    Calls ``on_unroutable`` when the broker returned a message, so that a lost queue or binding is declared again.
    """

    def __init__(
        self, managed: ManagedConnection, exchange: str, *, seconds: float, on_unroutable: Callable[[], None]
    ) -> None:
        self._managed = managed
        self._exchange = exchange
        self._seconds = seconds
        self._on_unroutable = on_unroutable
        self._connection: Connection | None = None
        self._channel: ConfirmingChannel | None = None
        self._opening = asyncio.Lock()
        self._in_flight = InFlight()
        self._closing: set[asyncio.Task[None]] = set()

    async def publish_many(self, publications: Sequence[Publication]) -> list[PublishOutcome]:
        """Publishes in parts. A message whose id is already in flight, here or in another call, waits for the next part."""
        deadline = asyncio.get_running_loop().time() + self._seconds
        waiting = dict(enumerate(publications))
        outcomes: dict[int, PublishOutcome] = {}
        while waiting:
            outcomes.update(await self._publish_part(waiting, deadline))
            waiting = {index: publication for index, publication in waiting.items() if index not in outcomes}
        self._report(publications, outcomes)
        return [outcomes[index] for index in range(len(publications))]

    async def _publish_part(self, waiting: Mapping[int, Publication], deadline: float) -> Mapping[int, PublishOutcome]:
        ids = {index: publication.message_id for index, publication in waiting.items()}
        part = await self._in_flight.reserve(ids, deadline)
        if not part:
            return dict.fromkeys(waiting, PublishFailed("an equal message_id was still in flight"))
        try:
            outcomes = await self._attempt([waiting[index] for index in part], deadline)
        finally:
            self._in_flight.discard(ids[index] for index in part)
        return dict(zip(part, outcomes, strict=True))

    async def _attempt(self, publications: Sequence[Publication], deadline: float) -> Sequence[PublishOutcome]:
        try:
            channel = await self._usable_channel(deadline)
            return await channel.publish(publications, deadline)
        except BrokerUnavailable as error:
            return [error] * len(publications)
        except Exception as error:  # noqa: BLE001 - the client's errors on a dying connection have no common base
            log.warning("broker.publish_failed", reason=repr(error), count=len(publications))
            return [PublishFailed(f"the channel failed: {error!r}")] * len(publications)

    async def _usable_channel(self, deadline: float) -> ConfirmingChannel:
        connection = await self._managed.publishable()
        try:
            async with until(deadline), self._opening:
                return await self._current(connection)
        except TimeoutError as error:
            self._managed.drop(connection)
            raise BrokerUnavailable("the broker does not answer") from error

    async def _current(self, connection: Connection) -> ConfirmingChannel:
        if self._channel is None or not self._channel.usable or self._connection is not connection:
            self._discard()
            self._channel = await ConfirmingChannel.open(connection, self._exchange)
            self._connection = connection
        return self._channel

    def _discard(self) -> None:
        """Closes the channel in the background, because a broken channel may take long to close."""
        channel, self._channel = self._channel, None
        if channel is not None:
            task = asyncio.create_task(channel.close(CLOSE_SECONDS))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _report(self, publications: Sequence[Publication], outcomes: Mapping[int, PublishOutcome]) -> None:
        returned = [
            publications[index].routing_key for index, outcome in outcomes.items() if isinstance(outcome, Unroutable)
        ]
        if returned:
            log.warning("broker.returned", routing_keys=sorted(set(returned)), count=len(returned))
            self._on_unroutable()
