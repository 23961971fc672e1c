"""How a user is reached on a channel: asked when a notification is accepted, and again when it is sent."""

from dataclasses import dataclass

from contracts.lookups import UserContact
from contracts.recipients import Channel, EmailRecipient, PushRecipient


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The user is not to get it: `opted_out` or `no_push_token`."""

    code: str


def reach(user: UserContact, channel: Channel) -> EmailRecipient | PushRecipient | Unreachable:
    if not (user.preferences.email if channel == "email" else user.preferences.push):
        return Unreachable("opted_out")
    if channel == "email":
        return user.by_email
    if not user.push_tokens:
        return Unreachable("no_push_token")
    return user.by_push
