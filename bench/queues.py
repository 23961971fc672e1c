"""The broker's queues, seen from outside."""

import asyncio

import aio_pika

from contracts.topology import TOPOLOGY
from testkit.eventually import wait_until


def depth(url: str, queue: str) -> int:
    """The number of ready messages in a queue."""
    return asyncio.run(_state(url, queue))[0]


def empty_all(url: str) -> None:
    """Purges every work queue, until the messages of dead consumers have returned and are purged, too."""
    for queue in TOPOLOGY.queues:
        wait_until(lambda name=queue.name: asyncio.run(_purged(url, name)), 60, f"an empty {queue.name}")  # type: ignore[misc]


async def _state(url: str, name: str) -> tuple[int, int]:
    """(messages ready, consumers)"""
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).declare_queue(name, passive=True)
        result = queue.declaration_result
        return result.message_count or 0, result.consumer_count or 0


async def _purged(url: str, name: str) -> bool:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await (await channel.get_queue(name, ensure=False)).purge()
    return await _state(url, name) == (0, 0)
