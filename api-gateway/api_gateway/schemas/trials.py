"""Body and answer of a template's trial."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from api_gateway.schemas.requests import TemplateVersion
from chassis.fields import ONLY_NUMBERS, TrueOrFalse
from chassis.json_values import JsonObject
from contracts.fields import Language
from contracts.recipients import Channel

BEFORE: JsonDict = {
    "error": None,
    "message": None,
    "missing_variables": [],
    "subject": "Welcome, Ada",
    "subject_length": 12,
}
AFTER: JsonDict = {**BEFORE, "subject": "A warm welcome, Ada", "subject_length": 19}
TRIED: JsonDict = {
    "notification_id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d",
    "notification_type": "email",
    "language": "en",
    "created_at": "2026-01-01T12:00:00Z",
    "before": BEFORE,
    "after": AFTER,
    "links_added": 1,
    "links_removed": 0,
    "added": ["https://example.com/begin"],
    "removed": [],
    "variables": None,
}
TRIAL: JsonDict = {
    "code": "welcome_email",
    "language": "en",
    "version": 4,
    "active_version": 3,
    "found": 1,
    "failing": 0,
    "complete": True,
    "notifications": [TRIED],
}


class TrialRequest(BaseModel):
    """The version to try, and with how many of the last notifications."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": 4, "last": 50}]})

    version: TemplateVersion = Field(description="A draft, or any other version")
    language: Language | None = Field(default=None, description="Null: the template's default language")
    last: Annotated[int, Field(ge=1, le=100), ONLY_NUMBERS] = 20
    notification_type: Channel | None = None
    show_variables: TrueOrFalse = Field(
        default=False, description="Answer with the variables that each was sent with, where the caller may see them"
    )


class TrialRenderingView(BaseModel):
    """`error` null: it can be rendered. `subject` is the title of a push; null if there is none or the caller may not see
    it. `subject_length` is in characters."""

    model_config = ConfigDict(json_schema_extra={"examples": [BEFORE]})

    error: str | None
    message: str | None
    missing_variables: list[str]
    subject: str | None
    subject_length: int | None


class TriedNotification(BaseModel):
    """One notification with the active version (`before`) and the version that is tried (`after`).

    `added` and `removed` are the first of the changed links; null if the caller may not see them, as `variables`.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [TRIED]})

    notification_id: UUID
    notification_type: Channel
    language: str
    created_at: datetime
    before: TrialRenderingView
    after: TrialRenderingView
    links_added: int
    links_removed: int
    added: list[str] | None
    removed: list[str] | None
    variables: JsonObject | None


class TrialView(BaseModel):
    """`found` notifications fit; `complete`: there was time for all of them. `failing`: cannot be rendered with the version
    that is tried."""

    model_config = ConfigDict(json_schema_extra={"examples": [TRIAL]})

    code: str
    language: str
    version: int
    active_version: int
    found: int
    failing: int
    complete: bool
    notifications: list[TriedNotification]
