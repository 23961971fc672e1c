"""The shapes of the inbox's JSON."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from devstack.simulators.faults import Fault
from devstack.simulators.messages import Received, ReceivedEmail, ReceivedPush


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
    data: dict[str, str]
    raw: str


Summary = EmailSummary | PushSummary
Detail = EmailDetail | PushDetail


class Messages(BaseModel):
    total: int
    messages: list[Summary]


class Totals(BaseModel):
    """Since the last clear."""

    taken: int
    refused: int


class Arrival(BaseModel):
    """`key` is equal for every copy of one notification: the Message-ID, or what a push carries for it."""

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
