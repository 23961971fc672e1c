"""Who acted, and what an audit event says."""

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
    def of(cls, identity: Identity, request: Request) -> Self:
        key = UUID(identity.subject) if identity.kind == "api_key" else None
        return cls(identity.caller, key, address_of(request.scope))

    @classmethod
    def stranger(cls, request: Request) -> Self:
        return cls("anonymous", None, address_of(request.scope))


COMMAND = Actor("command")  # whoever has a shell where the service runs


async def _acting(request: Request, identity: Caller) -> Actor:
    return Actor.of(identity, request)


async def _stranger(request: Request) -> Actor:
    return Actor.stranger(request)


Acting = Annotated[Actor, Depends(_acting)]
Stranger = Annotated[Actor, Depends(_stranger)]
"""Of a route that takes no credentials."""


MAX_PAGE = 101  # a page of 100, and one to know whether there is another


@dataclass(frozen=True, slots=True)
class Personal:
    """A value about a person: only its fingerprint is kept. Secrets are not given at all."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """The fields that differ. Not in `before`: it was made; not in `after`: it is gone."""

    before: Mapping[str, object]
    after: Mapping[str, object]


NO_CHANGE = Change({}, {})
"""Of an event that its action and target tell whole."""


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> Change | None:
    """None when nothing differs; what is not there is as good as None."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if not names:
        return None
    return Change(
        {name: before[name] for name in names if name in before}, {name: after[name] for name in names if name in after}
    )


class AuditEvent(BaseModel):
    """`actor` did `action` to `target`. `before` and `after` have the changed fields only, personal values as `hmac:…`."""

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
    """Which events, newest first; None: any. Ids are time-ordered: from `first` on, below `end`, and below `cursor`."""

    model_config = ConfigDict(frozen=True)

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    first: UUID | None = None
    end: UUID | None = None
    cursor: UUID | None = None
    limit: int = Field(default=MAX_PAGE, ge=1, le=MAX_PAGE)


class AuditFindings(BaseModel):
    """`total`: how many there are, the cursor apart; `newer`: how many of them stand before it. Counted up to 10,000."""

    events: tuple[AuditEvent, ...]
    total: int
    newer: int
