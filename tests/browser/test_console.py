"""The console in a real Firefox: find, explain, try again, replay; and whether everybody can use it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from devstack.plan import ADMIN_EMAIL, ADMIN_PASSWORD
from testkit.console_pages import Things, made, pages
from testkit.eventually import wait_until
from tests.browser.firefox import Firefox, Refused, program
from tests.browser.judges import axe
from tests.test_readme import Stack

AXE = "const done = arguments[arguments.length - 1]; axe.run().then((found) => done(found.violations.map((one) => "
AXE += "[one.impact, one.id, one.nodes.map((node) => node.html)])), (error) => done([[String(error)]]));"
WIDER = "return document.documentElement.scrollWidth - document.documentElement.clientWidth;"
NARROW = """const shown = Services.wm.getMostRecentWindow("navigator:browser").gBrowser.selectedBrowser;
shown.style.minWidth = shown.style.maxWidth = `${arguments[0]}px`;"""  # a window is at least 450 wide
THEME = "layout.css.prefers-color-scheme.content-override"
SIZES = {"phone": (375, 812), "tablet": (768, 1024), "desktop": (1440, 900)}


class Console:
    """The pages as an administrator sees them, and the gateway's API beside them."""

    def __init__(self, stack: Stack, firefox: Firefox) -> None:
        self.firefox, self._stack = firefox, stack
        self.http = httpx2.Client(base_url=stack.moved("http://localhost:8000/api/v1"), trust_env=False, timeout=20)
        login = self.call("POST", "/auth/login", {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD})
        self.http.headers["Authorization"] = f"Bearer {login['access_token']}"

    def call(self, method: str, path: str, body: object = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def open(self, path: str) -> None:
        self.firefox.open(self._stack.moved(f"http://localhost:8080{path}"))

    def wait_for_text(self, selector: str, text: str) -> str:
        """The element's text, once it contains `text`, also while a page is on its way."""
        seen = [""]

        def is_there() -> bool:
            try:
                seen[0] = self.firefox.text(selector)
            except Refused:
                return False
            return text in seen[0]

        wait_until(is_there, 60, f"{text!r} in {selector}")
        return seen[0]

    def run(self, script: str) -> Any:
        return self.firefox("WebDriver:ExecuteScript", script=script, args=[])

    def path(self) -> str:
        address = str(self.firefox("WebDriver:GetCurrentURL"))
        return "/" + address.split("/", 3)[3]

    def log_in(self) -> None:
        self.open("/login")
        if self.path().startswith("/login"):
            self.firefox.fill("#email", ADMIN_EMAIL)
            self.firefox.fill("#password", ADMIN_PASSWORD)
            self.firefox.click("form[action='/login'] button")
            self.wait_for_text("h1", "Overview")

    def send(self, email: str, template: str = "welcome_email") -> str:
        """The id of a notification, once it has ended. Raises TimeoutError with what is known of it after three
        minutes: a busy machine may need the retries."""
        made = self.accept(email, template)
        try:
            wait_until(lambda: self.status(made) in {"sent", "failed"}, 180, "its end")
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self.call('GET', f'/notifications/{made}')}") from None
        return made

    def accept(self, email: str, template: str) -> str:
        person = {"name": "Grace Hopper", "email": email, "password": uuid4().hex}
        user = self.call("POST", "/users", person)["id"]
        body = {
            "notification_type": "email", "user_id": user, "template_code": template,
            "variables": {"name": "Grace", "link": "https://example.com", "zero": 0}, "request_id": uuid4().hex,
        }  # fmt: skip
        return str(self.call("POST", "/notifications", body)["notification_id"])

    def status(self, notification_id: str) -> str:
        return str(self.call("GET", f"/notifications/{notification_id}")["status"])

    def close(self) -> None:
        self.http.close()


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    program()  # before anything is started
    folder: Path = tmp_path_factory.mktemp("browser")
    stack = Stack(folder)
    stack.start()
    firefox = None
    try:
        firefox = Firefox(folder, {})
        firefox.connect()
        shown = Console(stack, firefox)
        shown.log_in()
        yield shown
        shown.close()
    finally:
        if firefox:
            firefox.close()
        stack.process.stop()


def test_the_two_notifications_of_make_up_are_the_first_things_to_see(console: Console) -> None:
    console.open("/notifications")
    rows = console.run(ROWS)
    assert {("sent", "welcome_email", "e-mail"), ("sent", "welcome_email", "push")} <= {tuple(row) for row in rows}


ROWS = """return [...document.querySelectorAll("tbody tr")].map((row) => [...row.children].slice(0, 3).map(
  (cell) => cell.textContent.trim()));"""


def test_somebody_is_found_by_address_and_the_failure_explained_and_tried_again(console: Console) -> None:
    email = f"reject-data+{uuid4().hex[:8]}@example.com"
    failed = console.send(email)
    console.open("/notifications")
    console.firefox.fill("#q", email)
    console.firefox.click(".find button")
    console.wait_for_text("main", "Grace Hopper")
    console.firefox.click(f"a[href='/notifications/{failed}']")
    said = console.wait_for_text("#live", "does not accept it")
    assert "the address itself is not the problem" in said
    assert "554" in console.firefox.text(".timeline")
    console.firefox.click(f"form[action='/notifications/{failed}/retry'] button")
    console.wait_for_text("main", "It is tried again.")
    console.wait_for_text(".timeline", "Tried again by hand")


def test_a_page_follows_a_notification_to_its_end_by_itself(console: Console) -> None:
    user = console.call("GET", "/users?email=john@example.com")[0]["id"]
    body = {
        "notification_type": "email", "user_id": user, "template_code": "welcome_email", "send_at": soon(console),
        "variables": {"name": "John", "link": "https://example.com"}, "request_id": uuid4().hex,
    }  # fmt: skip
    made = console.call("POST", "/notifications", body)["notification_id"]
    console.open(f"/notifications/{made}")
    console.wait_for_text("#live", "It waits for its time")
    console.wait_for_text("#live", "took it")


def soon(console: Console) -> str:
    """Four seconds from now."""
    return str(console.run("return new Date(Date.now() + 4000).toISOString();"))


def test_a_group_of_failures_is_replayed(console: Console) -> None:
    template = {
        "code": f"t_{uuid4().hex[:8]}",
        "name": "Parcel",
        "subject": "Hi",
        "content": "{{ 1 | divided_by: zero }}",
    }
    console.call("POST", "/templates", template)
    failed = console.send(f"{uuid4().hex}@example.com", template["code"])
    console.call("PUT", f"/templates/{template['code']}", {"name": "Parcel", "subject": "Hi", "content": "<p>Hi</p>"})
    console.open("/failed")
    console.wait_for_text("main", "Render failed")
    console.firefox.click(f"a[href*='template={template['code']}'][href*='replay']")
    console.wait_for_text("h1", "Try again?")
    console.firefox.click("form[action='/failed/replay'] button")
    console.wait_for_text("main", "One will be tried again.")
    wait_until(lambda: console.status(failed) == "sent", 60, "the second try")


def test_a_template_is_held_from_its_page_and_what_waited_is_sent_after_the_release(console: Console) -> None:
    code = f"t_{uuid4().hex[:8]}"
    console.call("POST", "/templates", {"code": code, "name": "Sale", "subject": "Hi", "content": "<p>Only 9 EUR</p>"})
    console.open(f"/templates/{code}")
    console.firefox.click(f"a[href='/holds/new?template={code}']")
    console.wait_for_text("h1", "Hold notifications")
    console.firefox.fill("#reason", "wrong price")
    console.firefox.click("form[action='/holds'] button")
    console.wait_for_text("main", "It is held.")
    held = console.accept(f"{uuid4().hex}@example.com", code)
    wait_until(lambda: console.call("GET", f"/notifications/{held}")["held_by"], 60, "the hold")
    console.wait_for_text(".hold", "1 notification waits")  # the page counts by itself
    console.open("/users")
    assert "wrong price" in console.wait_for_text(".banner", "1 notification waits")
    console.open(f"/notifications/{held}")
    console.wait_for_text("#live", "It is held because: wrong price")
    console.firefox.click("#live a[href^='/holds#']")
    console.wait_for_text("h1", "Holds")
    console.firefox.click(".hold a[href$='/release']")
    console.wait_for_text("h1", "Release?")
    console.firefox.click("form[action$='/release'] input[value='same']")
    console.firefox.click("form[action$='/release'] button")
    console.wait_for_text("main", "It is released.")
    wait_until(lambda: console.status(held) == "sent", 60, "its release")
    console.wait_for_text("tbody", "wrong price")  # among those that have ended, also by itself


def drafted(console: Console) -> str:
    """The code of a template of which a mail was sent, with a draft that this mail's variables do not fit."""
    template = {
        "code": f"t_{uuid4().hex[:8]}", "name": "Parcel", "subject": "Hi {{ name }}", "title": "Your parcel", "body": "Now",
        "content": "<h1>Hello {{ name }}</h1>\n<p><a href='{{ link }}'>See it</a></p>",
    }  # fmt: skip
    console.call("POST", "/templates", template)
    console.send(f"{uuid4().hex}@example.com", template["code"])
    draft = {"subject": "Dear {{ first_name }}", "activate": False}
    console.call("PATCH", f"/templates/{template['code']}", draft)
    return str(template["code"])


def test_a_template_is_mended_previewed_tried_and_activated(console: Console) -> None:
    code, firefox = drafted(console), console.firefox
    console.open(f"/templates/{code}/edit?version=2")
    console.wait_for_text("#preview", "Examples are shown for first_name")
    assert "Grace" in firefox.property("#f-values", "value"), "the last real send's"
    top = console.run(TOP)
    firefox.fill("#f-content", "<h1>Bye {{ name }</h1>")
    console.wait_for_text("#preview", "It cannot be shown: see content")
    assert firefox.text("#p-content")
    firefox.fill("#f-content", "<h1>Bye {{ name }}</h1>\n<p><a href='{{ link }}/new'>See it</a></p>")
    console.wait_for_text("#preview", "Examples are shown for first_name")
    assert firefox.text("#p-content") == ""
    wait_until(lambda: "Bye Grace" in in_frame(console), 30, "the mail in its frame")
    assert console.run(TOP) == top, "nothing on the page moves"
    firefox.click("input[name=show][value=text]")
    console.wait_for_text(".pane.is-text", "Bye Grace")
    firefox.click("input[name=show][value=push]")
    console.wait_for_text(".pane.is-push", "Your parcel")
    firefox.click(".save .main")
    console.wait_for_text("main", "It is saved as a draft.")
    firefox.click("a[href*='/trial?']")
    console.wait_for_text(".answer", "would fail with version 3")
    console.wait_for_text(".answer", "first_name is missing")
    firefox.click("a[href*='/edit?']")
    console.wait_for_text("h1", "Edit Parcel")
    firefox.fill("#f-subject", "Dear {{ name }}")
    console.wait_for_text("#preview", "Dear Grace")
    firefox.click(".save .main")
    console.wait_for_text("main", "It is saved as a draft.")
    firefox.click("a[href*='/trial?']")
    console.wait_for_text(".answer", "can be sent with version 4")
    console.wait_for_text(".tried", "https://example.com/new")
    firefox.click("a[href*='/activate?']")
    console.wait_for_text("h1", "Activate version 4?")
    firefox.click("form.ask button")
    console.wait_for_text("main", "It is activated.")
    assert console.call("GET", f"/templates/{code}")["subject"] == "Dear {{ name }}"


TOP = "return document.querySelector('.mail-place').getBoundingClientRect().top + scrollY;"


def in_frame(console: Console) -> str:
    """What the editor's frame shows. Empty while it is loading."""
    console.firefox.enter("iframe[name=mail]")
    try:
        return console.firefox.text("body")
    except Refused:
        return ""
    finally:
        console.firefox("WebDriver:SwitchToParentFrame")


def test_typing_adds_nothing_to_the_way_back(console: Console) -> None:
    console.open("/templates/welcome_email")
    console.firefox.click("a[href*='/edit?']")
    console.wait_for_text("h1", "Edit")
    for subject in ("One", "Two"):
        console.firefox.fill("#f-subject", subject)
        console.wait_for_text("#preview .subject", subject)
    console.firefox("WebDriver:Back")
    wait_until(
        lambda: console.path().startswith("/templates/welcome_email") and "edit" not in console.path(), 30, "back"
    )


DRAWN = """return [...document.querySelectorAll(".chart canvas")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 200) seen.add(`${data[at]},${data[at + 1]},${data[at + 2]}`);
  return [canvas.height > 100, seen.size > 2];
});"""
PARTS_AT = """return JSON.stringify(["h1", ".tiles", ".balance", ".charts", "#counts canvas", ".numbers"].map((name) => {
  const { top, height } = document.querySelector(name).getBoundingClientRect();
  return [Math.round(top), Math.round(height)];
}));"""
TILE = "return document.querySelector('[data-tile={}] .value').textContent;"
LAST_ROW = "return [...document.querySelectorAll('.numbers tbody tr:first-child td')].map((cell) => cell.textContent);"
SHIFTS = """window.shifts = 0;
new MutationObserver(() => { window.shifts += 1; }).observe(document.getElementById("fresh"), { childList: true });"""


def test_the_overview_draws_and_renews_itself_without_moving(console: Console) -> None:
    console.send("grace@overview.example.com")
    console.open("/")
    console.wait_for_text("#balance", "None is missing.")
    console.run(SHIFTS)
    wait_until(lambda: console.run(DRAWN) == [[True, True]] * 2, 60, "the charts")
    before, places = int(console.run(TILE.format("accepted")).replace(",", "")), console.run(PARTS_AT)
    console.send("ada@overview.example.com")
    wait_until(lambda: int(console.run(TILE.format("accepted")).replace(",", "")) > before, 60, "the new figure")
    assert console.run("return window.shifts;") > 0, "the same page"
    assert console.run(PARTS_AT) == places


def test_the_figures_are_a_table_too(console: Console) -> None:
    console.send("lin@overview.example.com")
    console.open("/?period=day")
    accepted, sent, *_ = console.run(LAST_ROW)
    assert 0 < int(sent) <= int(accepted)
    console.firefox.click(".numbers summary")
    assert "95 % within" in console.firefox.text(".numbers thead")
    assert console.run("return document.querySelector('.numbers time').title;").endswith("(UTC)")


def test_charts_follow_the_theme(console: Console) -> None:
    console.open("/")
    for override, line in ((1, "#dfe3e9"), (0, "#2c323d")):
        console.firefox.inside("Services.prefs.setIntPref(arguments[0], arguments[1]);", THEME, override)
        script = "return getComputedStyle(document.documentElement).getPropertyValue('--line').trim();"
        wait_until(lambda line=line, script=script: console.run(script) == line, 60, "the theme")
        wait_until(lambda: console.run(DRAWN) == [[True, True]] * 2, 60, "the charts")


def test_times_are_in_the_readers_zone_and_say_so(console: Console) -> None:
    console.open("/notifications")
    zone = console.run("return Intl.DateTimeFormat().resolvedOptions().timeZone;")
    assert console.firefox.text(".zone") == f"Times are in {zone.replace('_', ' ')}"


def test_a_new_key_is_copied_and_then_gone(console: Console) -> None:
    owner = console.call("POST", "/applications", {"name": f"orders {uuid4().hex[:8]}"})["id"]
    console.open(f"/applications/{owner}/keys/new")
    console.firefox.fill("#name", "production")
    console.firefox.click("form[action$='/keys/new'] button")
    console.wait_for_text("main", "it is not shown again")
    key = console.firefox.text(".answer pre")
    console.firefox.click(".answer .copy")
    console.wait_for_text(".answer .copy", "Copied")
    assert httpx2.get(f"{console.http.base_url}notifications", headers={"X-API-Key": key}).is_success
    console.run("location.reload();")
    console.wait_for_text("main", "The key itself was shown once")
    assert key not in console.firefox.text("main")


def test_the_systems_state_is_asked_for_again_and_nothing_moves(console: Console) -> None:
    console.open("/system")
    before, places = console.run(CHECKED), console.run(PLACES)
    wait_until(lambda: console.run(CHECKED) != before, 60, "another look")
    assert console.run(PLACES) == places


CHECKED = "return document.querySelector('#live time').dateTime;"
PLACES = """return [...document.querySelectorAll('#live :is(.answer, th, .status), main h2')].map((one) => {
  const { x, y, width, height } = one.getBoundingClientRect();
  return [x, y, width, height].map(Math.round).join();
});"""


def every_page(console: Console) -> dict[str, str]:
    push = console.call("GET", "/notifications?limit=1&notification_type=push")[0]
    user = push["user_id"]
    things = Things(
        notification=console.call("GET", "/notifications?limit=1")[0]["notification_id"],
        push=push["notification_id"],
        user=user,
        device=console.call("GET", f"/users/{user}/push-tokens")[0]["id"],
        template="welcome_email",
        draft=drafted(console),
        **made(console.call),
    )
    empty = {"nothing": "/notifications?q=nobody@example.com", "none": "/suppressions?q=nobody@example.com"}
    return {**pages(things), **empty, "missing": "/no-such-page"}


@pytest.mark.parametrize(
    ("theme", "sizes", "judged"), [("light", ("phone", "tablet", "desktop"), "desktop"), ("dark", ("phone",), "phone")]
)
def test_every_page_can_be_used_by_everybody_at_every_width(
    console: Console, theme: str, sizes: tuple[str, ...], judged: str
) -> None:
    """By the rules of axe-core, in both themes, once on a phone; and nothing is wider than the screen."""
    console.send(f"bounce+{uuid4().hex[:8]}@example.com")
    script, problems = axe(), []
    override = {"light": 1, "dark": 0}[theme]
    console.firefox.inside("Services.prefs.setIntPref(arguments[0], arguments[1]);", THEME, override)
    for size in sizes:
        width, height = SIZES[size]
        console.firefox("WebDriver:SetWindowRect", width=max(width, 600), height=height)
        console.firefox.inside(NARROW, width)
        for name, path in every_page(console).items():
            console.open(path)
            assert console.run("return window.innerWidth;") <= width
            wider = console.run(WIDER)
            problems += [f"{name} {size}: {wider} px too wide"] if wider > 0 else []
            if size == judged:
                console.run(script)
                found = console.firefox("WebDriver:ExecuteAsyncScript", script=AXE, args=[])
                problems += [f"{name} {size} {theme}: {json.dumps(one)}" for one in found]
    assert problems == []
