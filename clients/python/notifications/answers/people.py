"""Users and contacts, their devices and sessions."""

from datetime import datetime
from typing import Any

from notifications.answers.access import Application
from notifications.answers.base import AnswerModel


class Preferences(AnswerModel):
    """`unsubscribed` are the purposes of templates that the person does not want by e-mail."""

    email: bool
    push: bool
    unsubscribed: list[str]


class User(AnswerModel):
    """A user with an account, or an application's contact (`contact`)."""

    id: str
    name: str
    email: str
    email_verified: bool
    pending_email: str | None
    external_id: str | None
    contact: bool
    role: str
    disabled: bool
    language: str | None
    push_token: str | None
    preferences: Preferences
    created_at: datetime
    updated_at: datetime


class FoundContacts(AnswerModel):
    """`contacts` have the order of the ids that were asked for. `not_found` are the ids without a contact."""

    contacts: list[User]
    not_found: list[str]


class WrittenContact(AnswerModel):
    id: str
    external_id: str
    created: bool


class Device(AnswerModel):
    """`provider` is fcm, web_push or apns. `fingerprint` names the device in timelines. `environment` is that of APNs, if the
    device was registered with one.
    """

    id: str
    provider: str
    token: str
    environment: str | None = None
    fingerprint: str
    created_at: datetime
    last_seen: datetime


class RemovedDevice(AnswerModel):
    id: str
    provider: str
    fingerprint: str
    created_at: datetime
    last_seen: datetime
    removed_at: datetime
    removed_because: str


class Session(AnswerModel):
    id: str
    current: bool
    created_at: datetime
    expires_at: datetime


class ErasedCounts(AnswerModel):
    api_keys: int
    deliveries: int
    devices: int
    failed_messages: int
    notifications: int
    sessions: int


class Erasure(AnswerModel):
    """The receipt of a deletion. It is complete once `completed_at` is a time."""

    id: str
    user_id: str
    requested_at: datetime
    completed_at: datetime | None
    erased: ErasedCounts


class ExportedNotification(AnswerModel):
    notification_id: str
    notification_type: str
    template_code: str
    language: str | None
    recipient: dict[str, Any] | None
    variables: dict[str, Any] | None
    overrides: dict[str, Any] | None
    status: str
    code: str | None
    detail: str | None
    created_at: datetime
    queued_at: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None


class ExportedSession(AnswerModel):
    id: str
    created_at: datetime
    expires_at: datetime


class Export(AnswerModel):
    """Everything that is stored about a person."""

    user: User
    devices: list[Device]
    removed_devices: list[RemovedDevice]
    sessions: list[ExportedSession]
    applications: list[Application]
    notifications: list[ExportedNotification]
    next_cursor: str | None


class VapidKey(AnswerModel):
    """With which a page subscribes browsers."""

    public_key: str
