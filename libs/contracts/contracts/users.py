"""Users in the services that notify them: contact data, preferences, and the cached look-up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Self
from uuid import UUID

import orjson
from pydantic import Field, StringConstraints, TypeAdapter, model_validator
from redis.asyncio import Redis

from chassis.fields import Text
from chassis.http.client import ServiceClient, found_of
from chassis.http.envelope import Envelope
from chassis.redis.cache import LayeredCache
from contracts.addresses import MAX_ADDRESS
from contracts.recipients import Channel, Contract, EmailRecipient, Preferences, PushRecipient, PushToken

# The prefix of the Redis keys ("<prefix>:<key>"). Readers write the values; the owner invalidates them after a change.
USER_CACHE = "user"

NO_APPLICATION = UUID(int=0)

# Maximum number of users per look-up.
MAX_USER_QUESTION = 1_000  # a complete batch of users that are in no cache


class UserContact(Contract):
    """Every user's contact data and preferences. `application_id`: set if the user is a contact (glossary), which only the
    application that added it may notify; NO_APPLICATION if that application was deleted.
    """

    id: UUID
    name: str
    email: str
    language: str | None = None
    preferences: Preferences
    push_tokens: tuple[PushToken, ...] = ()
    application_id: UUID | None = None

    @cached_property
    def by_email(self) -> EmailRecipient:
        return EmailRecipient(name=self.name, email=self.email, unsubscribed=self.preferences.unsubscribed)

    @cached_property
    def by_push(self) -> PushRecipient:
        """Raises ValidationError without tokens."""
        return PushRecipient(name=self.name, push_tokens=self.push_tokens)


# Copied tokens may be surrounded by whitespace. It must not make a second device of one.
PushTokenText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2048, pattern=r"^[!-~]+$")
]


MAX_TOKENS_ASKED = 2  # one text as FCM and as APNs would have it
MAX_REPORT_AGE_SECONDS = 365 * 86_400.0


class DeadPushToken(Contract):
    """Body of `POST /internal/users/{id}/push-tokens/remove`: the provider reported that the token belongs to no device.

    `age_seconds`: how long ago the provider was called. A device that was registered again since then is not removed. It is
    no time of day, so the clocks of two services need not agree. Workers of the previous release omit it.
    """

    token: PushTokenText
    age_seconds: float | None = Field(default=None, ge=0, le=MAX_REPORT_AGE_SECONDS)


class UserQuestion(Contract):
    """Body of `POST /internal/users/find`: the ids to look up."""

    ids: tuple[UUID, ...] = Field(max_length=MAX_USER_QUESTION)


class UserFindings(Contract):
    """The response: a `UserContact` under each known id. Readers validate each one separately, so that one bad entry
    affects no other.
    """

    users: dict[str, dict[str, Any]]


class AddressQuestion(Contract):
    """Body of `POST /internal/users/find-by-address`: whose `email` this is, or whose device has one of `tokens`.

    `seen_by` excludes the contacts of other applications.
    """

    email: Text | None = Field(default=None, min_length=1, max_length=MAX_ADDRESS)
    tokens: tuple[PushTokenText, ...] = Field(default=(), max_length=MAX_TOKENS_ASKED)
    seen_by: UUID | None = None

    @model_validator(mode="after")
    def _has_one_kind(self) -> Self:
        if (self.email is None) is (not self.tokens):
            raise ValueError("Either email or tokens")
        return self


class AddressFindings(Contract):
    """The response: the first `MAX_USER_QUESTION` users, oldest first."""

    ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The user is not to be notified: `opted_out`, `unsubscribed` or `no_push_token`."""

    code: str


def resolve_recipient(
    user: UserContact, channel: Channel, purpose: str | None = None
) -> EmailRecipient | PushRecipient | Unreachable:
    """The recipient on a channel, or why there is none. `purpose`: the template's, if it is known."""
    if not (user.preferences.email if channel == "email" else user.preferences.push):
        return Unreachable("opted_out")
    if channel == "email":
        return Unreachable("unsubscribed") if purpose in user.preferences.unsubscribed else user.by_email
    if not user.push_tokens:
        return Unreachable("no_push_token")
    return user.by_push


USER_REDIS_SECONDS = 300.0

_USERS = TypeAdapter(Envelope[UserFindings])


def user_cache(users: ServiceClient, redis: Redis, *, memory_seconds: float) -> LayeredCache[UserContact]:
    """The cache of users, by the text of their ids."""

    async def load(ids: Sequence[str]) -> Mapping[str, bytes]:
        body = orjson.dumps({"ids": ids})
        return texts_of(found_of(_USERS, *await users.post("/internal/users/find", body)).users)

    return LayeredCache(
        USER_CACHE,
        redis,
        TypeAdapter(UserContact),
        load,
        memory_seconds=memory_seconds,
        redis_seconds=USER_REDIS_SECONDS,
        max_size=MAX_USER_QUESTION,
    )


def texts_of(found: Mapping[str, object]) -> dict[str, bytes]:
    """The cached JSON texts. A field that is newer than this process is kept for processes that know it."""
    return {key: orjson.dumps(value) for key, value in found.items()}
