"""FCM's message (firebase.google.com/docs/reference/fcm/rest/v1/projects.messages), as far as it is used.

The notification's id is its tag on every platform: a second copy, sent after a lost response, replaces the first one on the
device.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from contracts.topology import URGENT
from delivery.channel import DeliveryContext
from templating import RenderedPush

MAX_PAYLOAD = 4096  # bytes of keys and values; FCM refuses a larger notification
# The maximum time for which FCM and browsers' push services store a message; they refuse larger values
# (firebase.google.com/docs/cloud-messaging/customize-messages/setting-message-lifespan).
MAX_TTL_SECONDS = 28 * 24 * 3600


@dataclass(frozen=True, slots=True)
class FcmMessage:
    """`payload_bytes` is the size that FCM's limit applies to: the texts for the device, and their keys."""

    request_body: bytes
    payload_bytes: int


def fcm_message(content: RenderedPush, token: str, context: DeliveryContext, *, now: float) -> FcmMessage:
    """Empty texts are left out. FCM requires strings as the values of `data`, and https for a browser's link.

    For an offline device FCM stores the message until it expires. `now` (Unix time) is the moment of sending. A dictionary
    and orjson are used because validated models take five times as long (50 instead of 10 µs).
    """
    notification_id = str(context.notification_id)
    shown = _said(title=content.title, body=content.body, image=content.image)
    data = _said(notification_id=notification_id, correlation_id=context.correlation_id, link=content.link)
    tag = {"tag": notification_id}
    android, apns, webpush = _lifespans(context.expires_at, now)
    message = {
        "token": token,
        "notification": shown,
        "data": data,
        "android": {"notification": tag, **({"priority": "HIGH"} if context.priority >= URGENT else {}), **android},
        "apns": {"headers": {"apns-collapse-id": notification_id, **apns}},
        "webpush": {
            "notification": tag,
            **webpush,
            **({"fcm_options": {"link": content.link}} if content.link.startswith("https://") else {}),
        },
    }
    return FcmMessage(orjson.dumps({"message": message}), _size(shown) + _size(data))


def _lifespans(
    expires_at: datetime | None, now: float
) -> tuple[Mapping[str, str], Mapping[str, str], Mapping[str, Mapping[str, str]]]:
    """For Android, Apple's headers and the browser. Rounded down. Below one second: deliver at once or never, which is 0 on
    all three.
    """
    if expires_at is None:
        return {}, {}, {}
    ttl = max(0, min(int(expires_at.timestamp() - now), MAX_TTL_SECONDS))
    until = int(now) + ttl if ttl else 0
    return {"ttl": f"{ttl}s"}, {"apns-expiration": str(until)}, {"headers": {"TTL": str(ttl)}}


def _said(**texts: str) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text}


def _size(texts: dict[str, str]) -> int:
    return sum(len(name) + len(text.encode()) for name, text in texts.items())
