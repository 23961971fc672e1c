"""FCM's message (firebase.google.com/docs/reference/fcm/rest/v1/projects.messages), as far as it is used.

The notification's id is its tag on every platform, unless the caller gives a `collapse_key`: a second copy, sent after a lost
response, replaces the first one on the device.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from contracts.overrides import PushOverrides
from contracts.push_payloads import (
    MAX_FCM_BYTES,
    aps_of,
    collapse_key,
    fcm_bytes,
    fcm_texts,
    is_background,
    max_bytes,
    push_overrides,
    web_notification_of,
)
from contracts.recipients import PushToken
from contracts.topology import URGENT
from delivery.channel import DeliveryContext
from push_service.senders.overrides import APPLE_BACKGROUND, lifetime, web_topic
from templating import RenderedPush

# The maximum time for which FCM and browsers' push services store a message; they refuse larger values
# (firebase.google.com/docs/cloud-messaging/customize-messages/setting-message-lifespan).
MAX_TTL_SECONDS = 28 * 24 * 3600


@dataclass(frozen=True, slots=True)
class FcmMessage:
    """`payload_bytes` is the size that FCM's limit applies to: the texts for the device, and their keys."""

    request_body: bytes
    payload_bytes: int
    max_payload_bytes: int = MAX_FCM_BYTES


def fcm_message(content: RenderedPush, device: PushToken, context: DeliveryContext, *, now: float) -> FcmMessage:
    """FCM requires https for a browser's link.

    For an offline device FCM stores the message until it expires. `now` (Unix time) is the moment of sending. A dictionary
    and orjson are used because validated models take five times as long (50 instead of 10 µs).
    """
    push = push_overrides(context)
    key = collapse_key(context)
    shown, data = fcm_texts(content, context)
    tag = {"tag": key}
    android, apns, webpush = _lifespans(lifetime(context, now=now), now)
    message: dict[str, Any] = {
        device.kind: device.token,
        "notification": shown,
        "data": data,
        "android": {
            "notification": tag,
            **({"priority": "HIGH"} if context.priority >= URGENT else {}),
            **android,
        },
        "apns": {"headers": {"apns-collapse-id": key, **apns}},
        "webpush": {
            "notification": tag,
            **webpush,
            **({"fcm_options": {"link": content.link}} if content.link.startswith("https://") else {}),
        },
    }
    if push is not None:
        _override(message, push, content, context)
    return FcmMessage(orjson.dumps({"message": message}), fcm_bytes(shown, data), max_bytes(device))


def _override(message: dict[str, Any], push: PushOverrides, content: RenderedPush, context: DeliveryContext) -> None:
    """Adds the caller's fields for Android, for Apple and for browsers."""
    android, apns, webpush = message["android"], message["apns"], message["webpush"]
    web_headers: dict[str, str] = {}
    if push.collapse_key is not None:
        android["collapse_key"] = push.collapse_key
        web_headers["Topic"] = web_topic(context)
    if push.analytics_label is not None:
        message["fcm_options"] = {"analytics_label": push.analytics_label}
    if push.web_push is not None and push.web_push.urgency is not None:
        web_headers["Urgency"] = push.web_push.urgency
    if web_headers:
        webpush["headers"] = {**webpush.get("headers", {}), **web_headers}
    if is_background(push):
        for part in (message, android, webpush):
            del part["notification"]
        apns["headers"] |= APPLE_BACKGROUND
        apns["payload"] = {"aps": aps_of(push, content)}
    else:
        android["notification"] = {**android["notification"], **_android_notification(push)}
        webpush["notification"] = {**webpush["notification"], **web_notification_of(push)}
        apns |= _apple_alert(push, content)


def _apple_alert(push: PushOverrides, content: RenderedPush) -> dict[str, object]:
    """The payload replaces title and body, so it repeats them. It is left out if it has nothing else."""
    if push.sound is None and push.badge is None and push.image is None and push.apns is None:
        return {}
    payload: dict[str, object] = {"payload": {"aps": aps_of(push, content)}}
    return {**payload, "fcm_options": {"image": content.image}} if content.image else payload


def _android_notification(push: PushOverrides) -> dict[str, object]:
    """A count of 0 is left out: for FCM it means to count one more."""
    fields: dict[str, object] = {"sound": push.sound, "notification_count": push.badge or None}
    if push.android is not None:
        fields |= push.android.model_dump()
        fields["visibility"] = push.android.visibility and push.android.visibility.upper()
    return {name: value for name, value in fields.items() if value is not None}


def _lifespans(
    seconds: float | None, now: float
) -> tuple[Mapping[str, str], Mapping[str, str], Mapping[str, Mapping[str, str]]]:
    """For Android, Apple's headers and the browser. Rounded down. Below one second: deliver at once or never, which is 0 on
    all three.
    """
    if seconds is None:
        return {}, {}, {}
    ttl = max(0, min(int(seconds), MAX_TTL_SECONDS))
    until = int(now) + ttl if ttl else 0
    return {"ttl": f"{ttl}s"}, {"apns-expiration": str(until)}, {"headers": {"TTL": str(ttl)}}
