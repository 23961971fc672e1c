"""What a push message says to a device: the part of it that a provider's size limit counts.

The gateway measures it when it accepts a notification, and the push worker sends it.

Sources: developer.apple.com/documentation/usernotifications/generating-a-remote-notification, notifications.spec.whatwg.org,
w3.org/TR/push-api and webkit.org/blog/16535 (Declarative Web Push), developer.apple.com/documentation/activitykit
(starting-and-updating-live-activities-with-activitykit-push-notifications)
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

import orjson

from chassis.json_values import written
from contracts.overrides import LiveActivityOverrides, Overrides, PushOverrides
from contracts.recipients import PushProvider, PushToken

Json = dict[str, object]
NOTHING = PushOverrides()
MAX_FCM_BYTES = 4_096  # of keys and values; FCM refuses a larger notification
MAX_TOPIC_BYTES = 2_048  # the same for a topic or a condition
MAX_APNS_BYTES = 4_096
# A push service has to accept 4,096 bytes (RFC 8030, 7.2). Encryption takes 103 of them (RFC 8291, 4).
MAX_WEB_PUSH_BYTES = 3_993
MAX_BYTES: Mapping[PushProvider, int] = {"fcm": MAX_FCM_BYTES, "apns": MAX_APNS_BYTES, "web_push": MAX_WEB_PUSH_BYTES}
WEB_PUSH = 8030  # marks a declarative message: the RFC's number
_WEB = ("https://", "http://")


class PushText(Protocol):
    """A rendered template. `title` is one line; `image` and `link` are addresses or ""."""

    @property
    def title(self) -> str: ...
    @property
    def body(self) -> str: ...
    @property
    def image(self) -> str: ...
    @property
    def link(self) -> str: ...


class PushContext(Protocol):
    """The notification's own part of a message."""

    @property
    def notification_id(self) -> UUID: ...
    @property
    def correlation_id(self) -> str: ...
    @property
    def overrides(self) -> Overrides | None: ...


def max_bytes(device: PushToken) -> int:
    """How many bytes its provider takes of a message."""
    return MAX_BYTES[device.provider] if device.kind == "token" else MAX_TOPIC_BYTES


def measured(content: PushText, device: PushToken, context: PushContext) -> int:
    """The bytes of the message to this device that its provider counts."""
    match device.provider:
        case "fcm":
            return fcm_bytes(*fcm_texts(content, context))
        case "apns":
            return len(apns_payload(content, context))
        case "web_push":
            return len(web_push_message(content, context))


def push_overrides(context: PushContext) -> PushOverrides | None:
    return None if context.overrides is None else context.overrides.push


def is_background(push: PushOverrides | None) -> bool:
    """Whether the message shows nothing."""
    return push is not None and bool(push.content_available)


def collapse_key(context: PushContext) -> str:
    """A message with the same key replaces this one. Without a key from the caller, only a second copy does."""
    push = push_overrides(context)
    return push.collapse_key if push is not None and push.collapse_key else str(context.notification_id)


def with_data(push: PushOverrides | None, own: dict[str, str]) -> dict[str, str]:
    """The caller's data, and ours."""
    return own if push is None or not push.data else {**push.data, **own}


def given(fields: Mapping[str, object]) -> Json:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def fcm_texts(content: PushText, context: PushContext) -> tuple[dict[str, str], dict[str, str]]:
    """The notification and the data of FCM's message. Empty texts are left out; values of `data` have to be texts."""
    push = push_overrides(context)
    shown = {} if is_background(push) else _said(title=content.title, body=content.body, image=content.image)
    own = _said(notification_id=str(context.notification_id), correlation_id=context.correlation_id, link=content.link)
    return shown, with_data(push, own)


def fcm_bytes(shown: Mapping[str, str], data: Mapping[str, str]) -> int:
    return _size(shown) + _size(data)


def _said(**texts: str) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text}


def _size(texts: Mapping[str, str]) -> int:
    return sum(len(name.encode()) + len(text.encode()) for name, text in texts.items())


def aps_of(push: PushOverrides, content: PushText) -> Json:
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


def apns_payload(content: PushText, context: PushContext) -> bytes:
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


def live_activity_of(push: PushOverrides | None) -> LiveActivityOverrides | None:
    return None if push is None or push.apns is None else push.apns.live_activity


def live_activity_payload(activity: LiveActivityOverrides, push: PushOverrides, content: PushText) -> bytes:
    """It updates or ends what the activity's widget shows. A widget gets nothing beside `aps`: there is nothing of ours."""
    alert = given({"title": content.title or None, "body": content.body or None, "sound": push.sound})
    aps: Json = {
        "timestamp": _seconds(activity.timestamp),
        "event": activity.event,
        **given(
            {
                "content-state": activity.content_state,
                "stale-date": _seconds(activity.stale_date),
                "dismissal-date": _seconds(activity.dismissal_date),
                "relevance-score": activity.relevance_score,
                "alert": alert if activity.alert else None,
            }
        ),
    }
    return written({"aps": aps}).encode()


def _seconds(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.timestamp())


def web_push_message(content: PushText, context: PushContext) -> bytes:
    """The JSON. `navigate` is required, so without a web address a click opens the site's first page.

    Safari shows it without a service worker. In other browsers the page's service worker gets the same JSON and shows it.
    The notification's id, or the caller's `collapse_key`, is its tag: a second copy replaces the first one on the screen.
    """
    notification_id = str(context.notification_id)
    optional = {"body": content.body, "image": content.image}
    push = push_overrides(context)
    notification: Json = {
        "title": content.title,
        **{name: text for name, text in optional.items() if text},
        "navigate": content.link if content.link.startswith(_WEB) else "/",
        "tag": collapse_key(context),
        "data": with_data(push, {"notification_id": notification_id, "correlation_id": context.correlation_id}),
    }
    message: Json = {"web_push": WEB_PUSH, "notification": notification}
    if push is not None:
        notification |= web_notification_of(push)
        if push.badge is not None:
            message["app_badge"] = push.badge
    return orjson.dumps(message)


def web_notification_of(push: PushOverrides) -> Json:
    """Options of a browser's notification."""
    web = push.web_push
    if web is None:
        return {}
    actions = [action.model_dump(exclude_none=True) for action in web.actions]
    options = given({"icon": web.icon, "requireInteraction": web.require_interaction, "silent": web.silent})
    return {**options, "actions": actions} if actions else options
