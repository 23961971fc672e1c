"""The demo page of `make up` in a real Firefox: nothing between the gateway and the notification on the screen is faked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from delivery.recipients import RECIPIENT_MEMORY_SECONDS
from devstack.plan import ADMIN_EMAIL, ADMIN_PASSWORD
from testkit.eventually import pause, remains, wait_until
from tests.browser.firefox import Firefox, program
from tests.test_readme import Stack

ALERTS = """return [...Services.wm.getEnumerator("alert:alert")].map((alert) => ({
  title: alert.document.getElementById("alertTitleLabel").getAttribute("value"),
  body: alert.document.getElementById("alertTextLabel").textContent,
}));"""
CLICK = """[...Services.wm.getEnumerator("alert:alert")].map((alert) => alert.document)
  .find((alert) => alert.getElementById("alertTitleLabel").getAttribute("value") === arguments[0])
  .getElementById("alertBox").click();"""
SET = "Services.prefs[typeof arguments[1] === 'string' ? 'setStringPref' : 'setBoolPref'](arguments[0], arguments[1]);"


class Demo:
    """`make up`, its demo page in a browser, and the gateway as the page's user sees it."""

    def __init__(self, stack: Stack, firefox: Firefox) -> None:
        self.firefox = firefox
        self._stack = stack
        self._http = httpx2.Client(base_url=stack.moved("http://localhost:8000/api/v1"), trust_env=False)
        login = {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        token = self._http.post("/auth/login", json=login).json()["data"]["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"
        self._user = self._http.get("/users", params={"email": "john@example.com"}).json()["data"][0]["id"]

    def inbox(self, path: str = "/") -> str:
        return self._stack.moved(f"http://localhost:8025{path}")

    def open(self) -> None:
        self.firefox.open(self.inbox("/demo/"))
        self.firefox.wait_for_text("#sender-status", f"Signed in as {ADMIN_EMAIL}")

    def subscribe(self) -> str:
        """The endpoint. The browser keeps a subscription that it has."""
        known = self.devices()
        self.firefox.click("#subscribe")
        said = self.firefox.wait_for_text("#recipient-status", "Subscribed, and registered")
        endpoint = said.rpartition(" ")[2]
        if endpoint not in known:
            pause(RECIPIENT_MEMORY_SECONDS)  # for so long a worker may remember the user's devices of before
        return endpoint

    def send(self) -> str:
        """The title of the notification, which the gateway has sent."""
        name = f"Ada-{uuid4().hex[:8]}"
        self.firefox.fill("#message [name=name]", name)
        self.firefox.click("#send")
        self.firefox.wait_for_text("#message-status", "Accepted, and sent.")
        return f"Welcome, {name}!"

    def arrived(self) -> str:
        return self.firefox.text("#arrived")

    def devices(self) -> list[str]:
        return [one["token"] for one in self._http.get(f"/users/{self._user}/push-tokens").json()["data"]]

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    program()  # before anything is started
    folder: Path = tmp_path_factory.mktemp("browser")
    stack = Stack(folder)
    stack.start()
    firefox = None
    try:
        firefox = Firefox(
            folder,
            {
                "dom.push.serverURL": stack.moved("ws://localhost:8025/web-push").replace("localhost", "127.0.0.1"),
                "dom.push.testing.allowInsecureServerURL": True,
                "permissions.default.desktop-notification": 1,  # nobody is there to ask
                "alerts.useSystemBackend": False,  # a window of the browser's own, which the test can click
            },
        )
        firefox.connect()
        demo = Demo(stack, firefox)
        yield demo
        demo.close()
    finally:
        if firefox:
            firefox.close()
        stack.process.stop()


@pytest.fixture
def demo(running: Demo) -> Demo:
    running.open()
    return running


def test_a_browser_subscribes_and_shows_what_the_gateway_sent(demo: Demo) -> None:
    endpoint = demo.subscribe()
    assert endpoint in demo.devices()
    title = demo.send()
    demo.firefox.wait_for_text("#arrived", title)
    alert = {"title": title, "body": "Your notification system works."}
    wait_until(lambda: alert in demo.firefox.inside(ALERTS), 60, "the notification")
    [taken] = _taken(demo, endpoint)
    assert (taken["title"], "encrypted bytes" in taken["body"]) == ("", True)


def test_a_click_on_the_notification_opens_its_link(demo: Demo) -> None:
    demo.subscribe()
    link = demo.inbox(f"/?kind=push&recipient={uuid4().hex}")
    demo.firefox.fill("#message [name=link]", link)
    title = demo.send()
    demo.firefox.wait_for_text("#arrived", title)
    before = demo.firefox("WebDriver:GetWindowHandles")
    demo.firefox.inside(CLICK, title)
    wait_until(lambda: len(demo.firefox("WebDriver:GetWindowHandles")) > len(before), 60, "the tab")
    [opened] = set(demo.firefox("WebDriver:GetWindowHandles")) - set(before)
    try:
        demo.firefox("WebDriver:SwitchToWindow", handle=opened)
        wait_until(lambda: demo.firefox("WebDriver:GetCurrentURL") == link, 60, "the link")
        demo.firefox("WebDriver:CloseWindow")
    finally:
        demo.firefox("WebDriver:SwitchToWindow", handle=before[0])
    wait_until(lambda: demo.firefox.count("#arrived .opened") == 1, 60, "the page to hear of the click")


def test_a_message_waits_for_a_browser_that_is_offline(demo: Demo) -> None:
    demo.subscribe()
    demo.firefox.inside(SET, "dom.push.connection.enabled", False)
    title = demo.send()
    remains(demo.arrived, 1, holds=lambda text: title not in text)
    demo.firefox.inside(SET, "dom.push.connection.enabled", True)
    demo.firefox.wait_for_text("#arrived", title)


def test_a_browser_that_has_unsubscribed_is_no_longer_a_device_after_the_next_notification(demo: Demo) -> None:
    endpoint = demo.subscribe()
    demo.firefox.click("#unsubscribe")
    demo.firefox.wait_for_text("#recipient-status", "Unsubscribed.")
    assert endpoint in demo.devices()
    demo.send()  # to the user's other device
    wait_until(lambda: endpoint not in demo.devices(), 60, "the removal")


def test_a_browser_without_the_setting_is_told_what_to_do(demo: Demo) -> None:
    setting = "dom.push.serverURL"
    push_service = demo.firefox.inside("return Services.prefs.getStringPref(arguments[0]);", setting)
    demo.firefox.inside(SET, setting, "")
    try:
        demo.firefox.click("#subscribe")
        demo.firefox.wait_for_text("#recipient-status", "Point Firefox at the simulated push service")
        assert push_service in demo.firefox.text("#help")
    finally:
        demo.firefox.inside(SET, setting, push_service)


def test_the_inbox_shows_a_push_as_a_phone_does_and_a_click_opens_it(demo: Demo) -> None:
    demo.subscribe()
    title = demo.send()  # to the user's phone, too
    listed = httpx2.get(demo.inbox("/api/messages"), params={"kind": "push"}).json()["messages"]
    [taken] = [message for message in listed if message["title"] == title]
    demo.firefox.open(demo.inbox(f"/pushes/{taken['id']}"))
    assert demo.firefox.text(".android .title") == title
    assert demo.firefox.count(".card[open]") == 0
    demo.firefox.click(".card summary")
    wait_until(lambda: demo.firefox.count(".card[open]") == 1, 10, "the notification to open")
    assert "Your notification system works." in demo.firefox.text(".card .body")
    demo.firefox.click(".views a[href$=ios]")
    wait_until(lambda: demo.firefox.count(".ios .card") == 1, 10, "an iPhone's screen")


def _taken(demo: Demo, endpoint: str) -> list[Any]:
    """What the inbox has of this subscription."""
    name = endpoint.rpartition("/")[2]
    listed = httpx2.get(demo.inbox("/api/messages"), params={"kind": "push", "recipient": name}).json()["messages"]
    return [httpx2.get(demo.inbox(f"/api/messages/{message['id']}")).json() for message in listed]
