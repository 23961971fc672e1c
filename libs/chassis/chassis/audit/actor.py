"""Who does something, and from where."""

from dataclasses import dataclass
from typing import Annotated, Self
from uuid import UUID

from fastapi import Depends, Request

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
