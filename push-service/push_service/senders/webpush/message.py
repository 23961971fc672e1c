"""The message for a browser: encrypted by RFC 8291, and its headers. (`contracts.push_payloads` has the JSON.)"""

from collections.abc import Mapping

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec

from contracts.push_payloads import push_overrides
from contracts.recipients import WebPushKeys
from contracts.topology import URGENT
from contracts.web_push import decoded
from delivery.channel import DeliveryContext
from push_service.senders.overrides import lifetime, web_topic

# For how long the push service stores the message for a browser that is offline: at most and, without `expires_at`, at all.
MAX_TTL_SECONDS = 28 * 24 * 3600


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
