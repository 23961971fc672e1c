"""What a caller changes in one notification's message, by channel. The gateway validates it (api_gateway.schemas.overrides).

Workers read it leniently, so that a newer gateway may send more. Absent fields are None, and the provider's default applies.
"""

from typing import Any, Literal

from pydantic import AwareDatetime

from contracts.recipients import Contract

InterruptionLevel = Literal["passive", "active", "time-sensitive", "critical"]
LiveActivityEvent = Literal["update", "end"]
Urgency = Literal["very-low", "low", "normal", "high"]
Visibility = Literal["private", "public", "secret"]


class AndroidOverrides(Contract):
    """FCM's AndroidNotification has these fields."""

    channel_id: str | None = None
    click_action: str | None = None
    icon: str | None = None
    color: str | None = None
    visibility: str | None = None


class LiveActivityOverrides(Contract):
    """An update of a Live Activity, or its end, to tokens of APNs that the caller gave. Apple's other fields are absent.

    `timestamp` orders the updates: a device ignores one that is older than what it shows. `alert`: the device shows the
    template's title and text, too.
    """

    event: str
    timestamp: AwareDatetime
    content_state: dict[str, Any] | None = None
    stale_date: AwareDatetime | None = None
    dismissal_date: AwareDatetime | None = None
    relevance_score: float | None = None
    alert: bool | None = None


class ApnsOverrides(Contract):
    """Apple's payload keys, with underscores. They count for Apple devices over APNs and over FCM."""

    subtitle: str | None = None
    category: str | None = None
    thread_id: str | None = None
    interruption_level: str | None = None
    relevance_score: float | None = None
    mutable_content: bool | None = None
    live_activity: LiveActivityOverrides | None = None


class WebPushAction(Contract):
    """A button. `navigate` is the address that it opens without a service worker."""

    action: str
    title: str
    navigate: str | None = None
    icon: str | None = None


class WebPushOverrides(Contract):
    """Options of the Notifications API, and the header Urgency (RFC 8030). They count over Web Push and over FCM."""

    actions: tuple[WebPushAction, ...] = ()
    icon: str | None = None
    require_interaction: bool | None = None
    silent: bool | None = None
    urgency: str | None = None


class PushOverrides(Contract):
    """`content_available`: a background message. The app gets `data`, and nothing is shown.

    `ttl_seconds` counts from the moment of sending; an earlier `expires_at` goes first.
    """

    data: dict[str, str] | None = None
    image: str | None = None
    sound: str | None = None
    badge: int | None = None
    collapse_key: str | None = None
    ttl_seconds: int | None = None
    analytics_label: str | None = None
    content_available: bool | None = None
    android: AndroidOverrides | None = None
    apns: ApnsOverrides | None = None
    web_push: WebPushOverrides | None = None


class Overrides(Contract):
    push: PushOverrides | None = None
