"""Names of users and applications, for pages that know their ids."""

import asyncio
from collections.abc import Collection, Mapping

from notifications import ApiError, AsyncNotifications


async def look_up(
    api: AsyncNotifications, *, users: Collection[str], applications: Collection[str]
) -> Mapping[str, str]:
    """id → name. Without those that are gone, are not for this visitor, or cannot be looked up now."""
    found = await asyncio.gather(
        *(_name_of(api, one, user=True) for one in users), *(_name_of(api, one, user=False) for one in applications)
    )
    return {one: name for one, name in zip((*users, *applications), found, strict=True) if name}


async def _name_of(api: AsyncNotifications, one: str, *, user: bool) -> str:
    try:
        return (await (api.users if user else api.applications).get(one)).name
    except (ApiError, ValueError):
        return ""
