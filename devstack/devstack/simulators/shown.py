"""How a device shows a push message, and the settings that it applies. Images are named and never fetched.

Sources: developer.apple.com/documentation/usernotifications/generating-a-remote-notification,
firebase.google.com/docs/reference/fcm/rest/v1/projects.messages, notifications.spec.whatwg.org
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from devstack.simulators.messages import PushProvider, ReceivedPush

Device = Literal["android", "ios", "browser"]
# An FCM token does not tell its device: FCM has a part for each kind.
DEVICES: Mapping[PushProvider, tuple[Device, ...]] = {
    "fcm": ("android", "ios", "browser"),
    "apns": ("ios",),
    "web_push": ("browser",),
}
MAX_BUTTONS = 2  # Chrome's kWebNotificationMaxActions (blink/public/common/notifications)
MAX_ANDROID_TEXT = 1_024  # UTF-16 units: MAX_CHARSEQUENCE_LENGTH of AOSP's android/app/Notification.java
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_MARKS = {"time-sensitive": "Time sensitive", "critical": "Critical"}
Row = tuple[str, object]


@dataclass(frozen=True)
class Button:
    title: str
    link: str = ""


@dataclass(frozen=True)
class Shown:
    """Texts that were not given are empty. `settings`: what is obeyed but not seen, such as the sound."""

    app: str
    title: str = ""
    subtitle: str = ""
    body: str = ""
    image: str = ""
    color: str = ""
    mark: str = ""
    badge: int | None = None
    buttons: tuple[Button, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def is_background(self) -> bool:
        return not (self.title or self.subtitle or self.body or self.image)


def shown_on(device: Device, push: ReceivedPush) -> Shown:
    match device:
        case "android":
            return _on_android(push)
        case "ios":
            return _on_ios(push)
        case "browser":
            return _in_a_browser(push)


def _on_android(push: ReceivedPush) -> Shown:
    common, android = _fields(push.at("notification")), _fields(push.at("android"))
    own = _fields(android.get("notification"))
    color = _text(own.get("color"))
    return Shown(
        app="App",
        title=_cut(_text(own.get("title"), common.get("title"))),
        body=_cut(_text(own.get("body"), common.get("body"))),
        image=_text(own.get("image"), common.get("image")),
        color=color if _COLOR.fullmatch(color) else "",
        badge=_number(own.get("notification_count")),
        settings=_given(
            ("Channel", own.get("channel_id")),
            ("Sound", own.get("sound")),
            ("Priority", android.get("priority")),
            ("Tag", own.get("tag")),
            ("Collapse key", android.get("collapse_key")),
            ("On the lock screen", own.get("visibility")),
            ("Icon", own.get("icon")),
            ("Click action", own.get("click_action")),
            ("Time to live", android.get("ttl")),
        ),
    )


def _on_ios(push: ReceivedPush) -> Shown:
    over_fcm = push.provider == "fcm"
    common = _fields(push.at("notification")) if over_fcm else {}
    aps = _fields(push.at("apns", "payload", "aps") if over_fcm else push.at("aps"))
    headers = _fields(push.at("apns", "headers")) if over_fcm else push.headers
    alert = aps.get("alert")
    said = {"body": alert} if isinstance(alert, str) else _fields(alert)
    said = said or common  # Apple's part takes the place of the common one
    level, sound = _text(aps.get("interruption-level")), aps.get("sound")
    return Shown(
        app=_text(headers.get("apns-topic")) or "App",
        title=_text(said.get("title")),
        subtitle=_text(said.get("subtitle")),
        body=_text(said.get("body")),
        image=_text(push.at("apns", "fcm_options", "image"), common.get("image")) if over_fcm else push.image,
        mark=_MARKS.get(level, ""),
        badge=_number(aps.get("badge")),
        settings=_given(
            ("Sound", _fields(sound).get("name") or sound),
            ("Interruption level", level),
            ("Relevance", aps.get("relevance-score")),
            ("Thread", aps.get("thread-id")),
            ("Category", aps.get("category")),
            ("App extension", "is called" if aps.get("mutable-content") == 1 else None),
            ("Push type", headers.get("apns-push-type")),
            ("Priority", headers.get("apns-priority")),
            ("Collapse id", headers.get("apns-collapse-id")),
        ),
    )


def _in_a_browser(push: ReceivedPush) -> Shown:
    over_fcm = push.provider == "fcm"
    own = _fields(push.at("webpush", "notification") if over_fcm else push.at("notification"))
    common = _fields(push.at("notification")) if over_fcm else {}
    headers = {name.lower(): value for name, value in _fields(push.at("webpush", "headers")).items()}
    headers = headers or dict(push.headers)
    buttons = _buttons(own.get("actions"))
    return Shown(
        app="Browser",
        title=_text(own.get("title"), common.get("title")),
        body=_text(own.get("body"), common.get("body")) or ("" if over_fcm else push.body),
        image=_text(own.get("image"), common.get("image")),
        badge=_number(push.at("app_badge")),
        buttons=buttons[:MAX_BUTTONS],
        settings=_given(
            ("Icon", own.get("icon")),
            ("Tag", own.get("tag")),
            ("Stays until it is clicked", own.get("requireInteraction")),
            ("Silent", own.get("silent")),
            ("Buttons that do not fit", ", ".join(button.title for button in buttons[MAX_BUTTONS:])),
            ("Urgency", headers.get("urgency")),
            ("Topic", headers.get("topic")),
            ("Time to live", _seconds(headers.get("ttl"))),
        ),
    )


def _buttons(actions: object) -> tuple[Button, ...]:
    found = [_fields(action) for action in actions] if isinstance(actions, list) else []
    return tuple(Button(_text(action.get("title")), _text(action.get("navigate"))) for action in found)


def _fields(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(*values: object) -> str:
    """The first text that is not empty."""
    return next((value for value in values if isinstance(value, str) and value), "")


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(ttl: object) -> str:
    return f"{ttl} s" if ttl else ""


def _cut(text: str) -> str:
    """To what Android keeps of a text. Half of a surrogate pair is dropped."""
    return text.encode("utf-16-le", "replace")[: 2 * MAX_ANDROID_TEXT].decode("utf-16-le", "ignore")


def _given(*rows: Row) -> tuple[tuple[str, str], ...]:
    return tuple((name, _said(value)) for name, value in rows if value not in (None, ""))


def _said(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
