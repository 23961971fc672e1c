"""What pages say about holds: what is held, by whom, and what is left of a hold that has ended."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from console.services.names import look_up
from console.services.words import channel
from notifications import AsyncNotifications, Hold

ENDING = frozenset({"releasing", "cancelling"})
ENDED_PAGE = 20


@dataclass(frozen=True, slots=True)
class Listed:
    """`ending`: they have ended, and what they held is released or cancelled now."""

    standing: Sequence[Hold]
    ending: Sequence[Hold]
    ended: Sequence[Hold]
    more: bool

    @property
    def current(self) -> Sequence[Hold]:
        return (*self.standing, *self.ending)


async def listed(api: AsyncNotifications, page: int) -> Listed:
    standing, ended = await asyncio.gather(
        api.holds.list(standing=True).page(), api.holds.list(standing=False, page_size=ENDED_PAGE, page=page).page()
    )
    ending = [hold for hold in ended.items if hold.status in ENDING]
    done = [hold for hold in ended.items if hold.status not in ENDING]
    return Listed(standing.items, ending, done, ended.meta.has_next)


def target(hold: Hold, names: Mapping[str, str] | None = None) -> str:
    """`template welcome_email, by e-mail`."""
    parts = [f"template {hold.template_code}"] if hold.template_code else []
    if hold.application_id:
        parts.append(f"application {(names or {}).get(hold.application_id, hold.application_id[-8:])}")
    parts += [f"by {channel(hold.notification_type)}"] if hold.notification_type else []
    parts += [f"provider {hold.provider}"] if hold.provider else []
    return ", ".join(parts)


def who(caller: str | None, names: Mapping[str, str]) -> str:
    """A caller's name for people: a user's name, or the application whose key it was."""
    kind, _, name = (caller or "").partition(":")
    if kind == "user":
        return names.get(name, f"user {name[-8:]}")
    return f"application {names.get(name, name[-8:])}{', with a test key' if kind == 'test' else ''}"


async def names_of(api: AsyncNotifications, holds: Iterable[Hold]) -> Mapping[str, str]:
    """id → name, of the users and applications in these holds that the visitor may see."""
    users, applications = set[str](), set[str]()
    for hold in holds:
        applications |= {hold.application_id} if hold.application_id else set()
        for caller in (hold.created_by, hold.ended_by or ""):
            kind, _, name = caller.partition(":")
            if name:
                (users if kind == "user" else applications).add(name)
    return await look_up(api, users=users, applications=applications)
