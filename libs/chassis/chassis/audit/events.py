"""The actor and the content of an audit event."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from chassis.raw_headers import address_of
from chassis.security import Caller, Identity


@dataclass(frozen=True, slots=True)
class Actor:
    """`name`: `user:<id>` or `key:<id of the application>` (as `Identity.caller` has them), `service:<name>`, `command`, or
    `anonymous`.

    `api_key_id` is the key of the application that was used. `address` is the client's, behind proxies that are trusted.
    """

    name: str
    api_key_id: UUID | None = None
    address: str | None = None

    @classmethod
    def from_request(cls, identity: Identity, request: Request) -> Self:
        key = UUID(identity.subject) if identity.kind == "api_key" else None
        return cls(identity.caller, key, address_of(request.scope))

    @classmethod
    def stranger(cls, request: Request) -> Self:
        return cls("anonymous", None, address_of(request.scope))


COMMAND = Actor("command")  # a person with a shell on the service's machine


async def _acting(request: Request, identity: Caller) -> Actor:
    return Actor.from_request(identity, request)


async def _stranger(request: Request) -> Actor:
    return Actor.stranger(request)


Acting = Annotated[Actor, Depends(_acting)]
Stranger = Annotated[Actor, Depends(_stranger)]
"""The actor of a route without credentials."""


MAX_PAGE = 101  # a page of 100, and one more to know whether another page exists


@dataclass(frozen=True, slots=True)
class Personal:
    """A personal value: only its fingerprint is stored. Never pass secrets."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """The fields that differ. A field missing in `before` was added; a field missing in `after` was removed."""

    before: Mapping[str, object]
    after: Mapping[str, object]


NO_CHANGE = Change({}, {})
"""For an event that its action and target describe completely."""


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> Change | None:
    """The differing fields, or None if nothing differs. A missing field equals None."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if not names:
        return None
    return Change(
        {name: before[name] for name in names if name in before}, {name: after[name] for name in names if name in after}
    )


class AuditEvent(BaseModel):
    """`actor` did `action` to `target`. `before` and `after` have the changed fields only; personal values are `hmac:…`."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    occurred_at: datetime
    actor: str
    api_key_id: UUID | None
    address: str | None
    action: str
    target: str
    before: dict[str, JsonValue]
    after: dict[str, JsonValue]
    correlation_id: str


class AuditQuestion(BaseModel):
    """Filters for events, newest first; None matches all. Ids are time-ordered: from `first` on, below `end` and `cursor`."""

    model_config = ConfigDict(frozen=True)

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    first: UUID | None = None
    end: UUID | None = None
    cursor: UUID | None = None
    limit: int = Field(default=MAX_PAGE, ge=1, le=MAX_PAGE)


class AuditFindings(BaseModel):
    """`total`: number of matches, ignoring the cursor. `newer`: matches before the cursor. Both are counted up to 10,000."""

    events: tuple[AuditEvent, ...]
    total: int
    newer: int
