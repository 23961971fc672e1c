"""The API's words, numbers and times as people read them."""

import json
from datetime import UTC, datetime

TONES = {
    "pending": "busy", "queued": "busy", "accepted": "busy", "replayed": "busy",
    "sent": "good", "delivered": "good", "wanted": "good",
    "held": "wait", "standing": "wait", "releasing": "busy", "cancelling": "busy", "released": "good",
    "retrying": "wait", "suppressed": "wait", "expired": "wait", "unknown": "wait",
    "failed": "bad",
    "complete": "good", "under way": "busy",
    "healthy": "good", "up": "good", "active": "good",
    "degraded": "wait", "disabled": "wait", "expires soon": "wait", "bounced": "wait",
    "unhealthy": "bad", "unreachable": "bad", "down": "bad", "complained": "bad",
}  # fmt: skip
CHANNELS = {"email": "e-mail", "push": "push"}
PROVIDERS = {
    "fcm": "FCM (Android, iOS)",
    "apns": "APNs (Apple)",
    "apns_sandbox": "APNs sandbox (Apple, development)",
    "web_push": "browser",
}


def tone(status: str) -> str:
    """The colour of a status: good, busy, wait, bad or idle. Every status has its word beside the colour."""
    return TONES.get(status, "idle")


def channel(name: str) -> str:
    return CHANNELS.get(name, name)


def provider(name: str) -> str:
    return PROVIDERS.get(name, name)


def words(code: str) -> str:
    """`template_not_found` → `template not found`."""
    return code.replace("_", " ")


def iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(at: datetime) -> str:
    """In the form that console.js writes in the viewer's zone, so that nothing on the page moves."""
    return f"{at.astimezone(UTC):%d %b %Y %H:%M:%S}"


def span(seconds: float) -> str:
    """`4 ms`, `1.4 s`, `12 s`, `3 min`, `5 h`, `2 days`."""
    if 1 <= seconds < 10:
        return f"{seconds:.1f} s"
    for limit, size, unit in ((1, 0.001, "ms"), (120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def size(octets: int) -> str:
    for unit in ("B", "KiB"):
        if octets < 1024:
            return f"{octets:.0f} {unit}"
        octets //= 1024
    return f"{octets} MiB"


def number(count: int) -> str:
    """`1,204`."""
    return f"{count:,}"


def plain(value: object) -> str:
    """A value of the caller's as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
