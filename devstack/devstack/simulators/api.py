"""The inbox's JSON API."""

from collections.abc import Iterable
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict

from devstack.simulators.magic import Fault, Faults
from devstack.simulators.messages import Received, ReceivedEmail, ReceivedPush
from devstack.simulators.pages.layout import Kind
from devstack.simulators.store import Inbox, Shelf


class EmailSummary(BaseModel):
    kind: Literal["email"] = "email"
    id: int
    received_at: datetime
    envelope_from: str
    recipient: str
    message_id: str
    subject: str


class EmailDetail(EmailSummary):
    from_header: str
    to_header: str
    headers: list[tuple[str, str]]
    html: str
    text: str
    source: str
    size: int


class PushSummary(BaseModel):
    kind: Literal["push"] = "push"
    id: int
    received_at: datetime
    recipient: str
    title: str
    correlation_id: str
    request_id: str


class PushDetail(PushSummary):
    body: str
    image: str
    link: str
    badge: int | None
    data: dict[str, str]
    raw: str


Summary = EmailSummary | PushSummary
Detail = EmailDetail | PushDetail


class Messages(BaseModel):
    total: int
    messages: list[Summary]


class Totals(BaseModel):
    """Counts since the last clear."""

    taken: int
    refused: int


class Arrival(BaseModel):
    """`key` is equal for all copies of one notification: the Message-ID, or the corresponding field of a push."""

    id: int
    received_at: datetime
    recipient: str
    key: str


class Arrivals(Totals):
    arrivals: list[Arrival]


class FaultSwitches(BaseModel):
    model_config = ConfigDict(extra="forbid")

    smtp: Fault | None = None
    fcm: Fault | None = None
    web_push: Fault | None = None
    apns: Fault | None = None


def summary_of(message: Received) -> Summary:
    match message:
        case ReceivedEmail():
            return EmailSummary.model_validate(message, from_attributes=True)
        case ReceivedPush():
            return PushSummary.model_validate(message, from_attributes=True)


def detail_of(message: Received) -> Detail:
    match message:
        case ReceivedEmail():
            return EmailDetail.model_validate(message, from_attributes=True)
        case ReceivedPush():
            return PushDetail.model_validate(message, from_attributes=True)


Limit = Annotated[int, Query(ge=1, le=1000)]


def messages_router(inbox: Inbox) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/messages")
    async def messages(kind: Kind | None = None, recipient: str = "", limit: Limit = 50) -> Messages:
        """Newest first. `total` counts all messages since the last clear; with `recipient`, the stored ones for it."""
        found = (
            [m for m in _newest_first(inbox, kind) if m.recipient.lower() == recipient.lower()] if recipient else None
        )
        shown = islice(_newest_first(inbox, kind) if found is None else found, limit)
        total = _totals(inbox, kind).taken if found is None else len(found)
        return Messages(total=total, messages=[summary_of(message) for message in shown])

    @router.get("/arrivals")
    async def arrivals(kind: Kind, after: int = 0) -> Arrivals:
        """All stored messages after that id, oldest first and unparsed: cheap enough for counting a hundred thousand."""
        shelf = inbox.emails if kind == "email" else inbox.pushes
        rows = [
            Arrival(id=m.id, received_at=m.received_at, recipient=m.recipient, key=m.key) for m in shelf.after(after)
        ]
        return Arrivals(**_totals(inbox, kind).model_dump(), arrivals=rows)

    @router.get("/messages/{message_id}")
    async def message(message_id: int) -> Detail:
        found = inbox.get(message_id)
        if found is None:
            raise HTTPException(404, "No such message")
        return detail_of(found)

    @router.delete("/messages", status_code=204)
    async def clear() -> None:
        inbox.clear()

    return router


def faults_router(faults: Faults) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/faults")
    async def read_faults() -> FaultSwitches:
        return FaultSwitches.model_validate(faults, from_attributes=True)

    @router.put("/faults")
    async def set_faults(switches: FaultSwitches) -> FaultSwitches:
        """Sets the given switches. Null switches off. Omitted switches stay unchanged."""
        for name in switches.model_fields_set:
            setattr(faults, name, getattr(switches, name))
        return FaultSwitches.model_validate(faults, from_attributes=True)

    return router


def _shelves(inbox: Inbox, kind: Kind | None) -> tuple[Shelf[ReceivedEmail] | Shelf[ReceivedPush], ...]:
    match kind:
        case "email":
            return (inbox.emails,)
        case "push":
            return (inbox.pushes,)
    return (inbox.emails, inbox.pushes)


def _newest_first(inbox: Inbox, kind: Kind | None) -> Iterable[Received]:
    streams: list[Iterable[Received]] = [shelf.newest_first() for shelf in _shelves(inbox, kind)]
    return merge(*streams, key=lambda message: message.id, reverse=True)


def _totals(inbox: Inbox, kind: Kind | None) -> Totals:
    shelves = _shelves(inbox, kind)
    return Totals(taken=sum(shelf.total for shelf in shelves), refused=sum(shelf.refused for shelf in shelves))
