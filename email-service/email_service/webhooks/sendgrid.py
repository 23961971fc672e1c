"""SendGrid's Event Webhook, signed with ECDSA (P-256, SHA-256) over its timestamp and the raw body.

Sources: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
and https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

import base64
import binascii
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import Field, TypeAdapter

from email_service.bounces.reading import BounceReport
from email_service.webhooks.events import (
    EventKind,
    Foreign,
    ProviderEvent,
    SignatureRefused,
    Text,
    WebhookRequest,
    parsed,
    webhook_report,
)

SIGNATURE, TIMESTAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"

# event → kind. `processed` is followed by another event; `open`, `click` and the events of groups and
# unsubscriptions say nothing about the delivery.
EVENT_KINDS: Mapping[str, EventKind] = {
    "delivered": "delivered",
    "deferred": "delayed",
    "bounce": "hard",
    "spamreport": "complained",
    "dropped": "soft",
}
# `type` of a bounce: refused for now, or for what the mail contained. SendGrid sends to the address again.
SOFT_TYPES = frozenset({"blocked", "expired"})
# `reason` of a drop: SendGrid's own lists say that the address is dead, or that its owner has complained.
HARD_DROPS = frozenset({"bounced address", "invalid", "spam reporting address"})


class _Event(Foreign):
    """Our Message-ID comes back as `smtp-id`; the beginning of `sg_message_id` is the id in the SMTP answer."""

    event: Text = ""
    email: Text = ""
    type: Text = ""
    reason: Text = ""
    status: Text = ""
    sg_event_id: Text = ""
    sg_message_id: Text = ""
    smtp_id: Text = Field(default="", alias="smtp-id")


_EVENTS = TypeAdapter(list[_Event])


def public_key(text: str) -> ec.EllipticCurvePublicKey:
    """The verification key as SendGrid shows it: base64 of its DER form. Raises ValueError."""
    try:
        key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise ValueError("is no public key in base64") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("is not a key of P-256")  # noqa: TRY004 - the caller's text is wrong, not its type
    return key


class SendGrid:
    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        self._key = key

    async def read(self, request: WebhookRequest) -> Sequence[ProviderEvent]:
        self._check(request)
        events = parsed(_EVENTS, request.body)
        return [ProviderEvent(event.sg_event_id or repr(event), _report(event)) for event in events]

    def _check(self, request: WebhookRequest) -> None:
        timestamp = request.headers.get(TIMESTAMP, "")
        try:
            signature = base64.b64decode(request.headers.get(SIGNATURE, ""), validate=True)
            self._key.verify(signature, timestamp.encode() + request.body, ec.ECDSA(SHA256()))
            signed_at = float(timestamp)
        except (InvalidSignature, ValueError):
            raise SignatureRefused from None
        request.check_age(signed_at)


def _report(event: _Event) -> BounceReport | None:
    kind = EVENT_KINDS.get(event.event)
    if kind is None:
        return None
    if event.event == "bounce" and event.type in SOFT_TYPES:
        kind = "soft"
    if event.event == "dropped" and event.reason.lower() in HARD_DROPS:
        kind = "hard"
    return webhook_report(
        kind,
        event.email,
        status=event.status,
        message_id=event.smtp_id,
        provider_ids=(event.sg_message_id, event.sg_message_id.partition(".")[0]),
    )
