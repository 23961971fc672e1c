"""Request and response models for erasing and exporting a person's data."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field

from contracts.erasing import (
    MAX_EXPORT_PAGE,
    ExportedNotification,
    ExportFindings,
)
from contracts.recipients import Channel
from contracts.status import Status
from user_service.repositories.applications import StoredApplication
from user_service.repositories.erasures import StoredErasure
from user_service.repositories.push_tokens import StoredPushToken
from user_service.repositories.removed_devices import StoredRemoval
from user_service.repositories.sessions import StoredSession
from user_service.repositories.users import StoredUser
from user_service.schemas.applications import ApplicationView
from user_service.schemas.fields import shown
from user_service.schemas.push_tokens import PushTokenView, RemovedDeviceView
from user_service.schemas.users import ID, USER, UserView


@dataclass(frozen=True, slots=True)
class Export:
    """`page` is one page of the notifications. The other fields are complete."""

    user: StoredUser
    devices: list[StoredPushToken]
    removed_devices: list[StoredRemoval]
    sessions: list[StoredSession]
    applications: list[StoredApplication]
    page: ExportFindings


NOTIFICATION = "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c60"


class ErasedCounts(BaseModel):
    """How many items of each kind there were. Notifications in progress are counted when they have finished."""

    devices: int = 0
    sessions: int = 0
    api_keys: int = 0
    notifications: int = 0
    deliveries: int = 0
    failed_messages: int = 0


class ErasureView(BaseModel):
    """The receipt. If `completed_at` is null, a message is still in a queue or with a provider: ask again."""

    model_config = shown(
        {
            "id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5f",
            "user_id": ID,
            "requested_at": "2026-01-01T12:00:00Z",
            "completed_at": "2026-01-01T12:00:31Z",
            "erased": {
                "devices": 2,
                "sessions": 1,
                "api_keys": 0,
                "notifications": 17,
                "deliveries": 18,
                "failed_messages": 1,
            },
        }
    )

    id: UUID
    user_id: UUID
    requested_at: datetime
    completed_at: datetime | None
    erased: ErasedCounts

    @classmethod
    def from_stored(cls, erasure: StoredErasure) -> "ErasureView":
        return cls(
            id=erasure.id,
            user_id=erasure.user_id,
            requested_at=erasure.requested_at,
            completed_at=erasure.completed_at,
            erased=ErasedCounts(**erasure.erased),
        )


class ExportQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cursor: UUID | None = Field(default=None, description="`next_cursor` of the previous page")
    limit: int = Field(default=MAX_EXPORT_PAGE, ge=1, le=MAX_EXPORT_PAGE, description="Notifications in a page")


class ExportedNotificationView(BaseModel):
    """A notification to the user. `variables` is null for the system's own mails."""

    notification_id: UUID
    notification_type: Channel
    template_code: str
    language: str | None
    status: Status
    code: str | None
    detail: str | None
    variables: dict[str, Any] | None
    recipient: dict[str, Any] | None
    overrides: dict[str, Any] | None = None
    created_at: datetime
    queued_at: datetime | None
    sent_at: datetime | None
    ended_at: datetime | None


class ExportedSession(BaseModel):
    """A session of the user."""

    id: UUID
    created_at: datetime
    expires_at: datetime


class ExportView(BaseModel):
    """Everything about a user. Pages differ only in `notifications`, oldest first. `next_cursor` is null on the last page."""

    model_config = shown(
        {
            "user": USER,
            "devices": [],
            "removed_devices": [],
            "sessions": [],
            "applications": [],
            "notifications": [
                {
                    "notification_id": NOTIFICATION,
                    "notification_type": "email",
                    "template_code": "welcome",
                    "language": "en",
                    "status": "sent",
                    "code": None,
                    "detail": None,
                    "variables": {"name": "John"},
                    "recipient": {"name": "John Doe", "email": "john@example.com"},
                    "overrides": None,
                    "created_at": "2026-01-01T12:00:00Z",
                    "queued_at": "2026-01-01T12:00:00Z",
                    "sent_at": "2026-01-01T12:00:01Z",
                    "ended_at": None,
                }
            ],
            "next_cursor": None,
        }
    )

    user: UserView
    devices: list[PushTokenView]
    removed_devices: list[RemovedDeviceView]
    sessions: list[ExportedSession]
    applications: list[ApplicationView]
    notifications: list[ExportedNotificationView]
    next_cursor: UUID | None


def export_content(export: Export) -> dict[str, object]:
    """The content of an `ExportView`. Variables, recipients and overrides are copied as JSON text: every digit is kept."""
    notifications = export.page.notifications
    return {
        "user": UserView.from_stored(export.user),
        "devices": [PushTokenView.from_stored(device) for device in export.devices],
        "removed_devices": [RemovedDeviceView.from_stored(device) for device in export.removed_devices],
        "sessions": export.sessions,
        "applications": [ApplicationView.from_stored(application) for application in export.applications],
        "notifications": [_as_it_came(one) for one in notifications],
        "next_cursor": notifications[-1].notification_id if export.page.more else None,
    }


def _as_it_came(one: ExportedNotification) -> dict[str, object]:
    texts = {name: getattr(one, name) for name in ("variables", "recipient", "overrides")}
    return one.model_dump() | {name: text and orjson.Fragment(text) for name, text in texts.items()}
