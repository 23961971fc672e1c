"""The end of a test's Redis."""

import asyncio

from redis.asyncio import Redis

MAX_SECONDS = 0.5  # for what runs until its loop is closed


async def close_when_quiet(client: Redis) -> None:
    """A cache answers first and stores afterwards: if its client were closed meanwhile, it would connect once more."""
    if under_way := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(under_way, timeout=MAX_SECONDS)
    await client.aclose()
