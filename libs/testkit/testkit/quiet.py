"""Closes a test's Redis client."""

import asyncio

from redis.asyncio import Redis

MAX_SECONDS = 0.5  # for tasks that run until their event loop closes


async def close_when_quiet(client: Redis) -> None:
    """A cache responds first and stores afterwards. If its client were closed in between, it would connect again."""
    if under_way := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(under_way, timeout=MAX_SECONDS)
    await client.aclose()
