"""The message for a browser: Declarative Web Push (w3.org/TR/push-api, webkit.org/blog/16535), encrypted by RFC 8291.

Safari shows it without a service worker. In other browsers the page's service worker gets the same JSON and shows it.
"""

from collections.abc import Mapping

import http_ece
import orjson
from cryptography.hazmat.primitives.asymmetric import ec

from contracts.recipients import WebPushKeys
from contracts.topology import URGENT
from contracts.web_push import decoded
from delivery.channel import DeliveryContext
from push_service.senders.overrides import (
    collapse_key,
    lifetime,
    push_overrides,
    web_notification_of,
    web_topic,
    with_data,
)
from templating import RenderedPush

WEB_PUSH = 8030  # marks a declarative message: the RFC's number
# A push service has to accept 4,096 bytes (RFC 8030, 7.2). Encryption takes 103 of them (RFC 8291, 4).
MAX_PLAINTEXT = 3_993
# For how long the push service stores the message for a browser that is offline: at most and, without `expires_at`, at all.
MAX_TTL_SECONDS = 28 * 24 * 3600
_WEB = ("https://", "http://")


def web_push_message(content: RenderedPush, context: DeliveryContext) -> bytes:
    """The JSON. `navigate` is required, so without a web address a click opens the site's first page.

    The notification's id, or the caller's `collapse_key`, is its tag: a second copy replaces the first one on the screen.
    """
    notification_id = str(context.notification_id)
    optional = {"body": content.body, "image": content.image}
    push = push_overrides(context)
    notification: dict[str, object] = {
        "title": content.title,
        **{name: text for name, text in optional.items() if text},
        "navigate": content.link if content.link.startswith(_WEB) else "/",
        "tag": collapse_key(context),
        "data": with_data(push, {"notification_id": notification_id, "correlation_id": context.correlation_id}),
    }
    message: dict[str, object] = {"web_push": WEB_PUSH, "notification": notification}
    if push is not None:
        notification |= web_notification_of(push)
        if push.badge is not None:
            message["app_badge"] = push.badge
    return orjson.dumps(message)


def encrypted(plaintext: bytes, keys: WebPushKeys) -> bytes:
    """For the browser with these keys, in the coding aes128gcm. Raises ValueError for impossible keys."""
    sealed: bytes = http_ece.encrypt(
        plaintext,
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=decoded(keys.p256dh, 65),
        auth_secret=decoded(keys.auth, 16),
        version="aes128gcm",
    )
    return sealed


def headers_for(context: DeliveryContext, *, now: float) -> Mapping[str, str]:
    """RFC 8030, 5. `now` is Unix time. A TTL below one second means: at once or never.

    A message with the same topic replaces one that the push service still stores.
    """
    ttl, push, seconds = MAX_TTL_SECONDS, push_overrides(context), lifetime(context, now=now)
    if seconds is not None:
        ttl = max(0, min(int(seconds), MAX_TTL_SECONDS))
    urgency = "high" if context.priority >= URGENT else "normal"
    if push is not None and push.web_push is not None and push.web_push.urgency is not None:
        urgency = push.web_push.urgency
    return {
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(ttl),
        "Urgency": urgency,
        "Topic": web_topic(context),
    }
