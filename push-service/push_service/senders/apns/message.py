"""The headers of APNs' message. (`contracts.push_payloads` has the JSON.)

Source: developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
"""

from collections.abc import Sequence

from contracts.push_payloads import collapse_key, is_background, live_activity_of, push_overrides
from contracts.topology import URGENT
from delivery.channel import DeliveryContext
from push_service.senders.overrides import APPLE_BACKGROUND, lifetime

LIVE_ACTIVITY = "liveactivity"  # the push type
TOPIC_SUFFIX = ".push-type.liveactivity"  # behind the app's bundle id


def apns_headers(context: DeliveryContext, *, topic: str, token: str, now: float) -> Sequence[tuple[str, str]]:
    """`now` is Unix time. An expiration of 0 means: at once or never. The notification's id, or the caller's `collapse_key`,
    is the collapse id: a second copy replaces the first one on the device. A Live Activity shows the newest update anyway.
    """
    push = push_overrides(context)
    activity = live_activity_of(push)
    kind = {"apns-push-type": "alert", "apns-priority": "10" if context.priority >= URGENT else "5"}
    if activity:
        kind["apns-push-type"] = LIVE_ACTIVITY
    elif is_background(push):
        kind = APPLE_BACKGROUND
    headers = [
        ("authorization", f"bearer {token}"),
        ("apns-topic", topic + TOPIC_SUFFIX if activity else topic),
        *kind.items(),
    ]
    if not activity or (push and push.collapse_key):
        headers.append(("apns-collapse-id", collapse_key(context)))
    seconds = lifetime(context, now=now)
    if seconds is not None:
        left = int(seconds)
        headers.append(("apns-expiration", str(int(now) + left if left > 0 else 0)))
    return headers
