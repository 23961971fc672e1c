"""A notification's push overrides as Apple and browsers write them. FCM passes both on, so its messages use them too.

Sources: developer.apple.com/documentation/usernotifications/generating-a-remote-notification, notifications.spec.whatwg.org
"""

import re
from collections.abc import Mapping
from hashlib import sha256

from contracts.overrides import PushOverrides
from delivery.channel import DeliveryContext
from templating import RenderedPush

Json = dict[str, object]
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")
NOTHING = PushOverrides()
APPLE_BACKGROUND = {"apns-push-type": "background", "apns-priority": "5"}  # APNs refuses any other priority


def push_overrides(context: DeliveryContext) -> PushOverrides | None:
    return None if context.overrides is None else context.overrides.push


def is_background(push: PushOverrides | None) -> bool:
    """Whether the message shows nothing."""
    return push is not None and bool(push.content_available)


def lifetime(context: DeliveryContext, *, now: float) -> float | None:
    """For how many seconds from `now` (Unix time) a provider stores the message for a device that is offline; None: for as
    long as it likes.
    """
    push = push_overrides(context)
    left = None if context.expires_at is None else context.expires_at.timestamp() - now
    if push is None or push.ttl_seconds is None:
        return left
    return push.ttl_seconds if left is None else min(left, push.ttl_seconds)


def collapse_key(context: DeliveryContext) -> str:
    """A message with the same key replaces this one. Without a key from the caller, only a second copy does."""
    push = push_overrides(context)
    return push.collapse_key if push is not None and push.collapse_key else str(context.notification_id)


def with_data(push: PushOverrides | None, own: dict[str, str]) -> dict[str, str]:
    """The caller's data, and ours."""
    return own if push is None or not push.data else {**push.data, **own}


def aps_of(push: PushOverrides, content: RenderedPush) -> Json:
    """Apple's `aps`."""
    if push.content_available:
        return {"content-available": 1}
    apns = push.apns
    alert = {"title": content.title, "subtitle": apns.subtitle if apns else None, "body": content.body}
    aps: Json = {"alert": {name: text for name, text in alert.items() if text}}
    aps |= given({"badge": push.badge, "sound": push.sound})
    if content.image or (apns is not None and apns.mutable_content):
        aps["mutable-content"] = 1
    if apns is not None:
        aps |= given(
            {
                "category": apns.category,
                "thread-id": apns.thread_id,
                "interruption-level": apns.interruption_level,
                "relevance-score": apns.relevance_score,
            }
        )
    return aps


def web_notification_of(push: PushOverrides) -> Json:
    """Options of a browser's notification."""
    web = push.web_push
    if web is None:
        return {}
    actions = [action.model_dump(exclude_none=True) for action in web.actions]
    options = given({"icon": web.icon, "requireInteraction": web.require_interaction, "silent": web.silent})
    return {**options, "actions": actions} if actions else options


def given(fields: Mapping[str, object]) -> Json:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def web_topic(context: DeliveryContext) -> str:
    """The header Topic: at most 32 characters of the URL-safe base64 alphabet (RFC 8030, 5.4). Those are exactly the digits
    of a notification's id; a collapse key that is none is hashed.
    """
    push = push_overrides(context)
    if push is None or not push.collapse_key:
        return context.notification_id.hex
    key = push.collapse_key
    return key if _TOPIC.fullmatch(key) else sha256(key.encode()).hexdigest()[:32]
