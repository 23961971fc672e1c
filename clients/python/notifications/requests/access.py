"""Applications and their keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Required, TypedDict

from notifications.requests.notifications import Channel

Scope = Literal[
    "admin",
    "notifications:read",
    "notifications:write",
    "notifications:urgent",
    "status:write",
    "templates:read",
    "templates:write",
    "users:read",
    "users:write",
]


class SenderFields(TypedDict, total=False):
    """From and Reply-To of e-mails. The domain of `from_email` must be one that the deployment allows."""

    from_name: str | None
    from_email: str | None
    reply_to: str | None


class NewApplication(TypedDict, total=False):
    name: Required[str]
    channels: Sequence[Channel] | None
    rate_limit_per_minute: int | None
    sender: SenderFields | None


class ApplicationChange(TypedDict, total=False):
    name: str | None
    channels: Sequence[Channel] | None
    rate_limit_per_minute: int | None
    sender: SenderFields | None
    disabled: bool | None


class ApiKeyRequest(TypedDict, total=False):
    """Keys with `test` take the whole path and reach no provider."""

    name: Required[str]
    application_id: str | None
    scopes: Sequence[Scope]
    test: bool
    expires_at: datetime | str | None
