"""Mailgun's webhooks. A timestamp and a token are signed (HMAC-SHA-256), the event is not: each token is good for one body.

Sources: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
and https://documentation.mailgun.com/docs/mailgun/user-manual/events/events
"""

from collections.abc import Mapping, Sequence
from hmac import compare_digest, digest
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from email_service.bounces.reading import BounceReport
from email_service.webhooks.events import (
    EventKind,
    Foreign,
    Nested,
    OneUseToken,
    ProviderEvent,
    SignatureRefused,
    Text,
    WebhookRequest,
    parsed,
    values_of,
    webhook_report,
)

# event, severity → kind. `accepted`, `opened`, `clicked`, `unsubscribed`
# and `stored` say nothing about the delivery.
EVENT_KINDS: Mapping[tuple[str, str], EventKind] = {
    ("delivered", ""): "delivered",
    ("failed", "permanent"): "soft",
    ("failed", "temporary"): "delayed",
    ("rejected", ""): "soft",
    ("complained", ""): "complained",
}
# `reason` of a permanent failure that lies in the address: refused by its server, or on Mailgun's own lists for that.
HARD_REASONS = frozenset({"bounce", "suppress-bounce", "suppress-complaint"})
TOKEN_LENGTH = 50


class _Signature(Foreign):
    timestamp: Text = ""
    token: Text = ""
    signature: Text = ""


class _Status(Foreign):
    enhanced_code: Text = Field(default="", alias="enhanced-code")
    bounce_type: Text = Field(default="", alias="bounce-type")


class _Message(Foreign):
    headers: Annotated[dict[str, Any], Nested] = Field(default_factory=dict)


class _Envelope(Foreign):
    sender: Text = ""


class _Data(Foreign):
    """Our Message-ID comes back in `message.headers`, the return path as `envelope.sender`."""

    id: Text = ""
    timestamp: Text = ""
    event: Text = ""
    severity: Text = ""
    reason: Text = ""
    recipient: Text = ""
    envelope: Annotated[_Envelope, Nested] = _Envelope()
    message: Annotated[_Message, Nested] = _Message()
    status: Annotated[_Status, Nested] = Field(default=_Status(), alias="delivery-status")


class _Posted(Foreign):
    signature: Annotated[_Signature, Nested] = _Signature()
    data: Annotated[_Data, Nested] = Field(default=_Data(), alias="event-data")


_POSTED = TypeAdapter(_Posted)


class Mailgun:
    def __init__(self, signing_key: str) -> None:
        self._key = signing_key.encode()

    async def read(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        posted = parsed(_POSTED, request.body)
        signed, data = posted.signature, posted.data
        expected = digest(self._key, f"{signed.timestamp}{signed.token}".encode(), "sha256").hex()
        if not compare_digest(expected.encode(), signed.signature.encode()) or len(signed.token) != TOKEN_LENGTH:
            raise SignatureRefused
        try:
            request.check_age(float(signed.timestamp))
        except ValueError:
            raise SignatureRefused from None
        # An id of Mailgun is unique within a day.
        return [
            ProviderEvent(
                f"{data.id} {data.timestamp}", _report(data), OneUseToken.for_body(signed.token, request.body)
            )
        ]


def _report(data: _Data) -> BounceReport | None:
    kind = EVENT_KINDS.get((data.event, data.severity if data.event == "failed" else ""))
    if kind is None:
        return None
    if data.event == "failed" and kind == "soft" and data.reason in HARD_REASONS and data.status.bounce_type != "soft":
        kind = "hard"
    own_id = values_of(data.message.headers, "message-id")
    return webhook_report(
        kind,
        data.recipient,
        status=data.status.enhanced_code,
        return_path=data.envelope.sender,
        message_id=own_id,
        provider_ids=(own_id, f"<{own_id}>"),
    )
