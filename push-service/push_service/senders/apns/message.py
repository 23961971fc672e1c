"""APNs' message: the headers and the JSON.

Source: developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns and
…/generating-a-remote-notification
"""

from collections.abc import Sequence

import orjson

from contracts.topology import URGENT
from delivery.channel import DeliveryContext
from push_service.senders.apns.live_activity import PUSH_TYPE, TOPIC_SUFFIX, live_activity_of, live_activity_payload
from push_service.senders.overrides import (
    APPLE_BACKGROUND,
    NOTHING,
    aps_of,
    collapse_key,
    is_background,
    lifetime,
    push_overrides,
    with_data,
)
from templating import RenderedPush

MAX_PAYLOAD = 4096  # bytes


def apns_payload(content: RenderedPush, context: DeliveryContext) -> bytes:
    """With an image the app's notification extension is called, which can fetch it."""
    push = push_overrides(context) or NOTHING
    if activity := live_activity_of(push):
        return live_activity_payload(activity, push, content)
    own = {
        "notification_id": str(context.notification_id),
        "correlation_id": context.correlation_id,
        "link": content.link,
        "image": "" if push.content_available else content.image,
    }
    own = {name: text for name, text in own.items() if text}
    return orjson.dumps({"aps": aps_of(push, content), **with_data(push, own)})


def apns_headers(context: DeliveryContext, *, topic: str, token: str, now: float) -> Sequence[tuple[str, str]]:
    """`now` is Unix time. An expiration of 0 means: at once or never. The notification's id, or the caller's `collapse_key`,
    is the collapse id: a second copy replaces the first one on the device. A Live Activity shows the newest update anyway.
    """
    push = push_overrides(context)
    activity = live_activity_of(push)
    kind = {"apns-push-type": "alert", "apns-priority": "10" if context.priority >= URGENT else "5"}
    if activity:
        kind["apns-push-type"] = PUSH_TYPE
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
