"""A notification that is asked for."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NotRequired, Required, TypedDict

from notifications.requests.people import WebPushSubscription

Channel = Literal["email", "push"]


class EmailTo(TypedDict, total=False):
    """An address in place of a user."""

    email: Required[str]
    name: str


class AppleToken(TypedDict):
    """A device's, or a Live Activity's. `environment`: where it is valid; without it, the deployment's APNS_ENVIRONMENT."""

    provider: Literal["apns"]
    token: str
    environment: NotRequired[Literal["production", "sandbox"] | None]


class DevicesTo(TypedDict, total=False):
    """Devices in place of a user: tokens of FCM and of APNs, and browsers' subscriptions."""

    push_tokens: Required[Sequence[str | WebPushSubscription | AppleToken]]
    name: str


class TopicTo(TypedDict):
    """An FCM topic."""

    topic: str


class ConditionTo(TypedDict):
    """A condition over FCM topics."""

    condition: str


class Attachment(TypedDict, total=False):
    """`content` is base64: `notifications.attachment` makes one of bytes. Or a `url`, fetched when it is accepted."""

    filename: Required[str]
    content_type: Required[str]
    content: str | None
    url: str | None
    content_id: str | None
    disposition: Literal["attachment", "inline"] | None


class EmailOptions(TypedDict, total=False):
    cc: Sequence[str]
    bcc: Sequence[str]
    reply_to: str | None
    attachments: Sequence[Attachment]
    tag: str | None
    stream: str | None
    metadata: Mapping[str, str]


class AndroidOptions(TypedDict, total=False):
    channel_id: str | None
    click_action: str | None
    color: str | None
    icon: str | None
    visibility: Literal["private", "public", "secret"] | None


class LiveActivityOptions(TypedDict, total=False):
    event: Required[Literal["update", "end"]]
    content_state: Mapping[str, Any] | None
    alert: bool | None
    dismissal_date: datetime | str | None
    relevance_score: float | None
    stale_date: datetime | str | None
    timestamp: datetime | str | None


class ApnsOptions(TypedDict, total=False):
    category: str | None
    interruption_level: Literal["passive", "active", "time-sensitive", "critical"] | None
    live_activity: LiveActivityOptions | None
    mutable_content: bool | None
    relevance_score: float | None
    subtitle: str | None
    thread_id: str | None


class WebPushAction(TypedDict, total=False):
    action: Required[str]
    title: Required[str]
    icon: str | None
    navigate: str | None


class WebPushOptions(TypedDict, total=False):
    actions: Sequence[WebPushAction] | None
    icon: str | None
    require_interaction: bool | None
    silent: bool | None
    urgency: Literal["very-low", "low", "normal", "high"] | None


class PushOptions(TypedDict, total=False):
    analytics_label: str | None
    android: AndroidOptions | None
    apns: ApnsOptions | None
    badge: int | None
    collapse_key: str | None
    content_available: bool | None
    data: Mapping[str, str] | None
    image: str | None
    sound: str | None
    ttl_seconds: int | None
    web_push: WebPushOptions | None


class Overrides(TypedDict, total=False):
    push: PushOptions | None


class NotificationRequest(TypedDict, total=False):
    """One notification: to a user (`user_id`), or to an address or devices (`to`).

    Without a `request_id` the client makes one. Times need a time zone, or are texts in ISO 8601.
    """

    notification_type: Required[Channel]
    template_code: Required[str]
    user_id: str | None
    to: EmailTo | DevicesTo | TopicTo | ConditionTo | None
    variables: Mapping[str, Any]
    metadata: Mapping[str, Any]
    request_id: str | None
    priority: int
    send_at: datetime | str | None
    expires_at: datetime | str | None
    language: str | None
    template_version: int | None
    email: EmailOptions | None
    overrides: Overrides | None
    delivery_guarantee: Literal["at_least_once", "at_most_once"]
