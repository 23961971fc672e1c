"""The inbox shows a push as a phone or a browser does, and loads nothing that the message names."""

import json
import re
from html import escape

import pytest

from devstack.simulators.messages import ReceivedPush
from devstack.simulators.pages.device import CUTS
from devstack.simulators.shown import MAX_ANDROID_TEXT, MAX_BUTTONS, Button, shown_on

ATTACK = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
APNS = {
    "headers": {"apns-topic": "com.example.app", "apns-push-type": "alert", "apns-priority": "10"},
    "message": {
        "aps": {
            "alert": {"title": "T", "subtitle": "S", "body": "B"},
            "badge": 3,
            "sound": "chime.caf",
            "thread-id": "orders",
            "interruption-level": "time-sensitive",
            "mutable-content": 1,
        },
        "image": "https://example.com/i.png",
        "link": "https://example.com/open",
        "order_id": "A-1",
    },
}
FCM = {
    "notification": {"title": "T", "body": "B", "image": "https://example.com/i.png"},
    "data": {"order_id": "A-1"},
    "android": {
        "priority": "HIGH",
        "notification": {
            "channel_id": "orders",
            "sound": "chime",
            "color": "#00ff00",
            "notification_count": 2,
            "tag": "t",
        },
    },
    "apns": {"headers": {"apns-collapse-id": "c"}, "payload": {"aps": {"alert": {"title": "Apple's"}, "badge": 4}}},
    "webpush": {
        "headers": {"Urgency": "high"},
        "notification": {"tag": "w", "actions": [{"action": "a", "title": "One"}]},
    },
}
WEB_PUSH = {
    "headers": {"ttl": "60", "urgency": "high"},
    "message": {
        "notification": {
            "title": "T",
            "body": "B",
            "icon": "https://example.com/icon.png",
            "image": "https://example.com/i.png",
            "navigate": "https://example.com/open",
            "tag": "w",
            "requireInteraction": True,
            "actions": [
                {"action": "a", "title": "One", "navigate": "https://example.com/one"},
                {"action": "b", "title": "Two"},
                {"action": "c", "title": "Three"},
            ],
        },
        "app_badge": 5,
    },
}


@pytest.fixture
def take(inbox):
    def taken(message: object, provider: str = "fcm") -> ReceivedPush:
        return inbox.take_push(token="t", raw=json.dumps(message), provider=provider)

    return taken


def test_an_iphone_shows_apple_s_fields(take):
    shown = shown_on("ios", take(APNS, "apns"))
    assert (shown.app, shown.title, shown.subtitle, shown.body) == ("com.example.app", "T", "S", "B")
    assert (shown.badge, shown.mark, shown.image) == (3, "Time sensitive", "https://example.com/i.png")
    assert dict(shown.settings) == {
        "Sound": "chime.caf",
        "Interruption level": "time-sensitive",
        "Thread": "orders",
        "App extension": "is called",
        "Push type": "alert",
        "Priority": "10",
    }


def test_android_shows_its_own_part_over_the_common_one(take):
    shown = shown_on("android", take(FCM))
    assert (shown.title, shown.body, shown.badge, shown.color) == ("T", "B", 2, "#00ff00")
    assert dict(shown.settings) == {"Channel": "orders", "Sound": "chime", "Priority": "HIGH", "Tag": "t"}
    own = {**FCM, "android": {"notification": {"title": "Own", "color": 'red" onload="'}}}
    assert (shown_on("android", take(own)).title, shown_on("android", take(own)).color) == ("Own", "")


def test_over_fcm_an_iphone_and_a_browser_show_their_parts(take):
    ios, browser = shown_on("ios", take(FCM)), shown_on("browser", take(FCM))
    assert (ios.title, ios.body, ios.badge) == ("Apple's", "", 4), "Apple's alert takes the place of the common one"
    assert (browser.title, browser.buttons) == ("T", (Button("One"),))
    assert dict(browser.settings) == {"Tag": "w", "Urgency": "high"}


def test_a_browser_shows_as_many_buttons_as_fit(take):
    shown = shown_on("browser", take(WEB_PUSH, "web_push"))
    assert shown.buttons == (Button("One", "https://example.com/one"), Button("Two"))
    assert len(shown.buttons) == MAX_BUTTONS
    assert dict(shown.settings) == {
        "Icon": "https://example.com/icon.png",
        "Tag": "w",
        "Stays until it is clicked": "yes",
        "Buttons that do not fit": "Three",
        "Urgency": "high",
        "Time to live": "60 s",
    }
    assert shown.badge == 5


def test_android_keeps_so_many_utf_16_units_of_a_text(take):
    push = take({"notification": {"title": "T", "body": "x" + "🎉" * MAX_ANDROID_TEXT}})
    assert shown_on("android", push).body == "x" + "🎉" * (MAX_ANDROID_TEXT // 2 - 1)
    assert len(shown_on("ios", push).body) == 1 + MAX_ANDROID_TEXT


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        ("fcm", {"data": {"a": "b"}}),
        ("apns", {"headers": {}, "message": {"aps": {"content-available": 1}}}),
        ("web_push", {"headers": {}, "message": {"notification": [1], "app_badge": True}}),
        (
            "fcm",
            {"notification": "x", "android": [], "apns": {"payload": 5}, "webpush": {"notification": {"actions": 1}}},
        ),
    ],
)
async def test_a_message_without_texts_says_that_nothing_is_shown(http, take, provider, message):
    push = take(message, provider)
    for device in ("android", "ios", "browser"):
        page = (await http.get(f"/pushes/{push.id}?device={device}")).text
        assert "Nothing is shown" in page
        assert "<summary>\n<span" not in page


@pytest.mark.parametrize(
    ("provider", "message", "parts"),
    [
        ("fcm", FCM, ("Channel</dt><dd>orders", 'fill="#00ff00"', 'icon">2</span>')),
        ("apns", APNS, ("com.example.app", "Time sensitive", "Sound</dt><dd>chime.caf", ">3</span>")),
        ("web_push", WEB_PUSH, ('<li><a href="https://example.com/one"', "<li>Two</li>", "Icon</dt><dd>https://")),
    ],
)
async def test_a_page_shows_it_all_and_folds_the_data(http, take, provider, message, parts):
    push = take(message, provider)
    page = (await http.get(f"/pushes/{push.id}")).text
    assert '<strong class="title" dir="auto">T</strong>' in page
    assert '<span class="body" dir="auto">B</span>' in page
    assert 'Image, not loaded: <a href="https://example.com/i.png"' in page
    for part in parts:
        assert part in page
    assert ("<summary>Data: " in page) is (provider != "web_push")


async def test_fcm_has_a_tab_for_each_device_and_the_others_have_none(http, take):
    fcm, apns = take(FCM), take(APNS, "apns")
    page = (await http.get(f"/pushes/{fcm.id}")).text
    tabs = re.findall(r'href="(/pushes/\d+\?device=\w+)"( aria-current="page")?>(\w+)<', page)
    assert [(label, bool(marked)) for _, marked, label in tabs] == [
        ("Android", True),
        ("iPhone", False),
        ("Browser", False),
    ]
    assert CUTS["browser"] in (await http.get(tabs[2][0])).text
    page = (await http.get(f"/pushes/{apns.id}?device=android")).text
    assert escape(CUTS["ios"]) in page
    assert "?device=" not in page
    assert (await http.get(f"/pushes/{fcm.id}?device=watch")).status_code == 422


@pytest.mark.parametrize("provider", ["fcm", "apns", "web_push"])
async def test_html_is_text_everywhere_and_nothing_is_loaded_from_outside(http, take, provider):
    poisoned = json.loads(json.dumps({"fcm": FCM, "apns": APNS, "web_push": WEB_PUSH}[provider]), object_hook=_poisoned)
    push = take(poisoned, provider)
    for device in ("android", "ios", "browser"):
        answer = await http.get(f"/pushes/{push.id}?device={device}")
        page = answer.text
        assert re.findall("<script[^>]*>", page) == ['<script src="/static/inbox.js" defer>']
        assert not re.findall(r"<(?:img|iframe|video|source|object|embed)\b", page)
        assert not re.search(r'\bon\w+="', page)
        assert 'href="javascript:' not in page
        policy = answer.headers["Content-Security-Policy"]
        assert "img-src data:;" in policy
        assert "http" not in policy


def _poisoned(fields: dict[str, object]) -> dict[str, object]:
    return {name: ATTACK if isinstance(value, str) else value for name, value in fields.items()} | {
        "navigate": "javascript:alert(1)"
    }
