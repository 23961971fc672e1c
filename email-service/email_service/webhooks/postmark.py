"""Postmark's webhooks. They have no signature: their URL has a user name and a password, which come as HTTP basic auth.

Sources: https://postmarkapp.com/developer/webhooks/webhooks-overview (authentication), /bounce-webhook, /delivery-webhook,
/spam-complaint-webhook beside it, and https://postmarkapp.com/developer/api/bounce-api#bounce-types
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from chassis.errors import Unauthorized
from email_service.bounces.reading import BounceReport, status_in
from email_service.webhooks.events import (
    EventKind,
    Foreign,
    Nested,
    ProviderEvent,
    Text,
    WebhookRequest,
    parsed,
    values_of,
    webhook_report,
)

TAG_HEADER = "X-PM-Metadata-notification-id"  # Postmark gives a mail its own Message-ID, and echoes such headers
TAG = "notification-id"

# `Type` of a bounce → kind. Postmark goes on trying after `Transient` and `DnsError`; `OpenRelayTest`, automatic answers
# and changes of subscriptions say nothing about the delivery.
BOUNCE_TYPES: Mapping[str, EventKind] = {
    "HardBounce": "hard",
    "BadEmailAddress": "hard",
    "ManuallyDeactivated": "hard",
    "SpamNotification": "complained",
    "SpamComplaint": "complained",
    "SoftBounce": "soft",
    "Unknown": "soft",
    "VirusNotification": "soft",
    "Blocked": "soft",
    "DMARCPolicy": "soft",
    "SMTPApiError": "soft",
    "Transient": "delayed",
    "DnsError": "delayed",
}


class LoginRefused(Unauthorized):
    """Postmark tries again after a 401, and gives up after a 403."""

    code, message = "login_refused", "The user name or the password in the webhook's URL is wrong"

    def __init__(self) -> None:
        super().__init__()
        self.headers = {"WWW-Authenticate": 'Basic realm="webhooks"'}


class _Posted(Foreign):
    """The address is `Email`, in a delivery `Recipient`."""

    record_type: Text = Field(default="", alias="RecordType")
    type: Text = Field(default="", alias="Type")
    id: Text = Field(default="", alias="ID")
    message_id: Text = Field(default="", alias="MessageID")
    email: Text = Field(default="", alias="Email")
    recipient: Text = Field(default="", alias="Recipient")
    details: Text = Field(default="", alias="Details")
    metadata: Annotated[dict[str, Any], Nested] = Field(default_factory=dict, alias="Metadata")


_POSTED = TypeAdapter(_Posted)


class Postmark:
    """`password` is the one in the webhook's URL; its user name does not matter."""

    def __init__(self, password: str) -> None:
        self._password = password.encode()

    async def read(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        if not compare_digest(self._password, _password_of(request.headers.get("authorization", ""))):
            raise LoginRefused
        posted = parsed(_POSTED, request.body)
        return [ProviderEvent(f"{posted.record_type} {posted.message_id} {posted.id}", _report(posted))]


def _password_of(header: str) -> bytes:
    scheme, _, credentials = header.partition(" ")
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2] if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        return b""


def _report(posted: _Posted) -> BounceReport | None:
    match posted.record_type:
        case "Delivery":
            kind: EventKind | None = "delivered"
        case "Bounce":
            kind = BOUNCE_TYPES.get(posted.type)
        case "SpamComplaint":
            kind = "complained"
        case _:
            kind = None
    if kind is None:
        return None
    return webhook_report(
        kind,
        posted.email or posted.recipient,
        status=status_in(posted.details),
        notification=values_of(posted.metadata, TAG),
        provider_ids=(posted.message_id,),
    )
