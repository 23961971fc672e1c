"""Which deliveries a notification has, and where each of them goes now: since it was accepted, the user may have changed the
address or devices, or opted out.

The message names the recipients that the user had when it was accepted. Every copy of the message names the same ones, and
the ledger uses their keys. So a delivery keeps its key when the user has changed the address since.

Whether the user has unsubscribed from the template's purpose is checked in `contents.py`, which has the template.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from pydantic import TypeAdapter
from redis.asyncio import Redis

from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient
from contracts.messages import NotificationMessage
from contracts.recipients import EmailRecipient, PushRecipient
from contracts.topology import URGENT
from contracts.users import Unreachable, UserContact, resolve_recipient, user_cache
from delivery.channel import Address, Content, DeliveryChannel, Target
from delivery.outcomes import Suppressed

RECIPIENT_MEMORY_SECONDS = 2.0
NO_RECIPIENT = "nobody"  # the ledger's key for a notification whose message has no recipient of this channel
_RECIPIENT: TypeAdapter[EmailRecipient | PushRecipient] = TypeAdapter(EmailRecipient | PushRecipient)


@dataclass(frozen=True, slots=True)
class Destination(Generic[Address]):
    """One delivery. `target` is where it goes now; None: the user removed that device, and no other device replaced it.

    `added_later`: a device that the message does not name, because it was registered later. It gets the notification if it
    was registered before the first claim of the round.
    """

    key: str
    target: Target[Address] | None
    added_later: bool = False


def destinations(accepted: Sequence[Target[Address]], current: Sequence[Target[Address]]) -> list[Destination[Address]]:
    """A new address replaces the old one, and a new device replaces a removed one. Any further new device was added."""
    named = {target.key for target in accepted}
    still_there = {target.key: target for target in current if target.key in named}
    added = [target for target in current if target.key not in named]
    found = [Destination(one.key, still_there.get(one.key) or (added.pop(0) if added else None)) for one in accepted]
    return [*found, *(Destination(target.key, target, added_later=True) for target in added)]


def destinations_of(
    channel: DeliveryChannel[Address, Content],
    message: NotificationMessage,
    current: EmailRecipient | PushRecipient | None,
) -> Sequence[Destination[Address]]:
    """Never empty: a notification without a result would be lost (a push message with an e-mail recipient, say).

    `current`: the current recipient, if it differs from the one in the message.
    """
    accepted = channel.targets(message.recipient)
    if not accepted:
        return [Destination(NO_RECIPIENT, None)]
    if current is None:
        return [Destination(target.key, target) for target in accepted]
    return destinations(accepted, channel.targets(current))


def target_of_attempt(
    channel: DeliveryChannel[Address, Content], message: NotificationMessage, key: str, contact: str | None
) -> Target[Address] | None:
    """The target of an ambiguous attempt: it may have the message already, so no other target is tried.

    `key`: the delivery's key. `contact`: the recipient of that attempt (JSON), if it differs from the one in the message.
    """
    first = message.recipient if contact is None else _RECIPIENT.validate_json(contact)
    known = destinations(channel.targets(message.recipient), channel.targets(first))
    return next((one.target for one in known if one.key == key), None)


class RecipientResolver:
    """The recipient from the user service, cached in memory and Redis.

    The message's own copy is used when the user service is unavailable, or when the recipient is fixed: it is named in the
    notification (`to`), or it is the address of a mail about an account, and no user's current data replaces it.
    """

    def __init__(self, users: ServiceClient, redis: Redis) -> None:
        self._users = user_cache(users, redis, memory_seconds=RECIPIENT_MEMORY_SECONDS)

    async def resolve(self, message: NotificationMessage) -> EmailRecipient | PushRecipient | Suppressed:
        if message.fixed_recipient:
            return message.recipient
        key, urgent = str(message.user_id), message.priority >= URGENT
        try:
            current = _recipient_of(await self._users.get(key, urgent=urgent), message)
            if isinstance(current, Unreachable):  # the user may have opted in again a moment ago
                current = _recipient_of(await self._users.refresh(key, urgent=urgent), message)
        except DependencyUnavailable:
            return message.recipient
        return Suppressed(current.code) if isinstance(current, Unreachable) else current


def _recipient_of(
    user: UserContact | None, message: NotificationMessage
) -> EmailRecipient | PushRecipient | Unreachable | Suppressed:
    return Suppressed("user_gone") if user is None else resolve_recipient(user, message.notification_type)
