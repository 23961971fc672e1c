"""APNs' message: the headers and the JSON.

Source: developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns and
…/generating-a-remote-notification
"""

from collections.abc import Sequence

import orjson

from contracts.topology import URGENT
from delivery.channel import DeliveryContext
from templating import RenderedPush

MAX_PAYLOAD = 4096  # bytes


def apns_payload(content: RenderedPush, context: DeliveryContext) -> bytes:
    """With an image the app's notification extension is called, which can fetch it."""
    alert = {name: text for name, text in (("title", content.title), ("body", content.body)) if text}
    aps: dict[str, object] = {"alert": alert}
    if content.image:
        aps["mutable-content"] = 1
    own = {
        "notification_id": str(context.notification_id),
        "correlation_id": context.correlation_id,
        "link": content.link,
        "image": content.image,
    }
    return orjson.dumps({"aps": aps, **{name: text for name, text in own.items() if text}})


def apns_headers(context: DeliveryContext, *, topic: str, token: str, now: float) -> Sequence[tuple[str, str]]:
    """`now` is Unix time. An expiration of 0 means: at once or never. The notification's id is the collapse id, so a second
    copy replaces the first one on the device.
    """
    headers = [
        ("authorization", f"bearer {token}"),
        ("apns-topic", topic),
        ("apns-push-type", "alert"),
        ("apns-priority", "10" if context.priority >= URGENT else "5"),
        ("apns-collapse-id", str(context.notification_id)),
    ]
    if context.expires_at is not None:
        left = int(context.expires_at.timestamp() - now)
        headers.append(("apns-expiration", str(int(now) + left if left > 0 else 0)))
    return headers
