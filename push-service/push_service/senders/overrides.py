"""How a notification's overrides change a provider's headers: for how long it is stored, and what it replaces."""

import re
from hashlib import sha256

from contracts.push_payloads import push_overrides
from delivery.channel import DeliveryContext

_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")
APPLE_BACKGROUND = {"apns-push-type": "background", "apns-priority": "5"}  # APNs refuses any other priority


def lifetime(context: DeliveryContext, *, now: float) -> float | None:
    """For how many seconds from `now` (Unix time) a provider stores the message for a device that is offline; None: for as
    long as it likes.
    """
    push = push_overrides(context)
    left = None if context.expires_at is None else context.expires_at.timestamp() - now
    if push is None or push.ttl_seconds is None:
        return left
    return push.ttl_seconds if left is None else min(left, push.ttl_seconds)


def web_topic(context: DeliveryContext) -> str:
    """The header Topic: at most 32 characters of the URL-safe base64 alphabet (RFC 8030, 5.4). Those are exactly the digits
    of a notification's id; a collapse key that is none is hashed.
    """
    push = push_overrides(context)
    if push is None or not push.collapse_key:
        return context.notification_id.hex
    key = push.collapse_key
    return key if _TOPIC.fullmatch(key) else sha256(key.encode()).hexdigest()[:32]
