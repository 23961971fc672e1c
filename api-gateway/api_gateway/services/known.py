"""What the user service last said of API keys and signing keys, kept in the gateway's own database.

So a caller who was known yesterday is served today, while the user service and Redis are both down and this process has
just started.
"""

from collections.abc import Awaitable, Callable

from api_gateway.repositories import identities
from chassis.database import Database
from chassis.errors import Unavailable

Fetch = Callable[[], Awaitable[bytes | None]]


async def fetched_or_known(database: Database, key: str, fetch: Fetch) -> bytes | None:
    """What `fetch` answers, remembered under `key`; when it raises Unavailable, what it answered last.

    None is an answer too ("no such key"), and takes the memory away. Raises Unavailable when nothing is known.
    """
    try:
        answer = await fetch()
    except Unavailable:
        async with database.begin() as connection:
            known = await identities.recall(connection, key)
        if known is None:
            raise
        return known.encode()
    await _remember(database, key, answer)
    return answer


async def _remember(database: Database, key: str, answer: bytes | None) -> None:
    async with database.begin() as connection:
        if answer is None:
            await identities.forget(connection, key)
        else:
            await identities.remember(connection, key, answer.decode())
