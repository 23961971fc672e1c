"""Holds: placing one, what pages say meanwhile, and how it ends."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from console.services.holds import target, who
from console.services.standing import StandingHolds
from notifications import Hold
from testkit.eventually import eventually, wait_until
from tests.visiting import Browser, System


@pytest.fixture
def template(system: System) -> str:
    return system.template()


@pytest.fixture(autouse=True)
def ended(system: System) -> Iterator[None]:
    """Whatever a test holds, it holds for itself."""
    yield
    for hold in system.call("GET", "/holds?standing=true&limit=100"):
        system.call("DELETE", f"/holds/{hold['hold_id']}")


def hold(system: System, **target_: object) -> Any:
    return system.call("POST", "/holds", {"reason": "wrong price <b>", **target_})


def held(system: System, template: str) -> str:
    """A notification that waits."""
    body = {
        "notification_type": "email", "user_id": system.user()["id"], "template_code": template,
        "variables": {"name": "Grace"}, "request_id": uuid4().hex,
    }  # fmt: skip
    made = str(system.call("POST", "/notifications", body)["notification_id"])
    wait_until(lambda: system.detail(made)["held_by"], 30, "the hold")
    return made


def status(system: System, hold_id: str) -> str:
    return str(system.call("GET", f"/holds/{hold_id}")["status"])


async def test_nothing_is_held_and_the_page_says_what_holds_are_for(admin: Browser) -> None:
    page = (await admin.open("/holds")).text
    assert "Nothing is held" in page
    assert 'href="/holds/new"' in page
    assert "On hold" not in (await admin.open("/notifications")).text


async def test_a_template_is_held_from_its_page_and_every_page_says_so(
    admin: Browser, system: System, template: str
) -> None:
    assert f'href="/holds/new?template={template}"' in (await admin.open(f"/templates/{template}")).text
    form = f"/holds/new?template={template}"
    assert f'value="{template}"' in (await admin.open(form)).text
    done = await admin.submit(form, "/holds", template=template, reason="wrong price <b>")
    assert done.headers["location"] == "/holds?done=held"
    made = held(system, template)
    page = (await admin.open("/holds")).text
    for part in (
        "<strong>1</strong> notification waits",
        "wrong price &lt;b&gt;",
        f"Template {template}",
        "The oldest was",
    ):
        assert part in page
    [standing] = system.call("GET", "/holds?standing=true")
    assert f'href="/notifications?held_by={standing["hold_id"]}"' in page
    assert made in (await admin.open(f"/notifications?held_by={standing['hold_id']}")).text

    async def banner() -> bool:
        return "1 notification waits" in (await admin.open("/users")).text

    await eventually(banner, 10)
    assert (
        f"Held: template {template}.</strong> wrong price &lt;b&gt;"
        in (await admin.open(f"/templates/{template}")).text
    )
    shown = (await admin.open(f"/notifications/{made}")).text
    assert "Not yet. It is held." in shown
    assert "It is held because: wrong price &lt;b&gt;" in shown
    assert f'href="/holds#h-{standing["hold_id"]}"' in (await admin.open(f"/notifications/{made}/live")).text


async def test_what_was_held_is_sent_after_a_page_that_names_the_number(
    admin: Browser, system: System, template: str
) -> None:
    one = hold(system, template_code=template)["hold_id"]
    made = held(system, template)
    page = f"/holds/{one}/release"
    asked = (await admin.open(page)).text
    assert "<strong>1</strong> notification is sent" in asked
    assert " checked" not in asked, "a click too many does not send the old version"
    refused = await admin.submit(page, page)
    assert refused.status_code == 422
    assert "Choose the version of the template." in refused.text
    assert system.detail(made)["status"] == "pending"
    done = await admin.submit(page, page, version="same")
    assert done.headers["location"] == "/holds?done=released"
    wait_until(lambda: system.detail(made)["status"] == "sent", 30, "its release")
    wait_until(lambda: status(system, one) == "released", 30, "the end")
    listed = (await admin.open("/holds?done=released")).text
    assert "It is released." in listed
    assert 'data-label="Outcome"><span class="status is-good">released' in listed


async def test_it_is_released_with_another_version(admin: Browser, system: System, template: str) -> None:
    one = hold(system, template_code=template)["hold_id"]
    made = held(system, template)
    system.call("PUT", f"/templates/{template}", {"name": "Parcel", "subject": "Hi", "content": "<p>Right price</p>"})
    page = f"/holds/{one}/release"
    assert "now version 2" in (await admin.open(page)).text
    for number, said in (("", "Write the number"), ("x", "Write the number"), ("9", "version")):
        refused = await admin.submit(page, page, version="other", number=number)
        assert refused.status_code in {404, 422}
        assert said in refused.text.split('role="alert">')[1]
    done = await admin.submit(page, page, version="other", number="2")
    assert done.status_code == 303
    wait_until(lambda: system.detail(made)["status"] == "sent", 30, "its release")
    assert system.detail(made)["template_version"] == 2


async def test_cancelling_names_the_number_first(admin: Browser, system: System, template: str) -> None:
    one = hold(system, template_code=template)["hold_id"]
    made = held(system, template)
    page = f"/holds/{one}/cancel"
    text = (await admin.open(page)).text
    assert "Cancel 1 notification?" in text
    assert system.detail(made)["status"] == "pending"
    done = await admin.submit(page, page)
    assert done.headers["location"] == "/holds?done=hold-cancelled"
    wait_until(lambda: system.detail(made)["status"] == "cancelled", 30, "its end")
    assert "It was held, and the hold was cancelled." in (await admin.open(f"/notifications/{made}")).text
    again = await admin.submit("/holds/new", f"/holds/{one}/release", version="same")
    assert again.status_code == 409
    assert "Not possible any more" in again.text


async def test_the_part_that_follows_keeps_its_form_and_ends_with_a_new_page(
    admin: Browser, system: System, template: str
) -> None:
    one = hold(system, template_code=template)["hold_id"]
    part = await admin.open(f"/holds/{one}/live?was=standing&poll=3", **{"hx-request": "true"})
    assert "poll=4" in part.text
    assert "<html" not in part.text
    last = await admin.open(f"/holds/{one}/live?was=standing&poll=599", **{"hx-request": "true"})
    assert "hx-get" not in last.text
    changed = await admin.open(f"/holds/{one}/live?was=releasing", **{"hx-request": "true"})
    assert (changed.status_code, changed.headers["hx-refresh"]) == (204, "true")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"reason": "x"}, "Say what to hold"),
        ({"template": "welcome_email", "reason": " "}, "Say why"),
        ({"template": "no such code", "reason": "x"}, "No template can have this code"),
        ({"channel": "fax", "reason": "x"}, "email"),
        ({"application": "7", "reason": "x"}, "UUID"),
        ({"template": "welcome_email", "reason": "a\u0000b"}, "NUL"),
    ],
)
async def test_a_form_that_is_not_right_comes_back_with_what_was_typed(
    admin: Browser, system: System, given: dict[str, str], said: str
) -> None:
    page = await admin.submit("/holds/new", "/holds", **given)
    assert page.status_code == 422
    assert said.lower() in page.text.split('role="alert">')[1].split("</p>")[0].lower()
    assert given.get("template", "") in page.text
    assert system.call("GET", "/holds?standing=true") == []


async def test_a_template_that_does_not_exist_is_held_by_those_who_ask_twice(admin: Browser, system: System) -> None:
    given = {"template": f"gone_{uuid4().hex[:6]}", "reason": "x"}
    first = await admin.submit("/holds/new", "/holds", **given)
    assert first.status_code == 422
    assert f'name="unknown" value="{given["template"]}"' in first.text
    assert (await admin.submit("/holds/new", "/holds", unknown=given["template"], **given)).status_code == 303
    assert len(system.call("GET", "/holds?standing=true")) == 1


@pytest.mark.parametrize("path", ["/holds/x/live", "/holds/{}/release", "/holds/{}/cancel", "/holds?page=0"])
async def test_what_is_no_hold_is_a_clear_page(admin: Browser, path: str) -> None:
    page = await admin.open(path.format(uuid4()))
    assert page.status_code in {404, 422}
    assert "<h1>" in page.text


async def test_a_key_sees_and_ends_what_its_application_holds(visitor: Browser, system: System, template: str) -> None:
    hold(system, template_code=template)
    await visitor.submit("/login", "/login/key", key=system.key("notifications:read", "notifications:write"))
    assert "Nothing is held" in (await visitor.open("/holds")).text
    form = (await visitor.open("/holds/new")).text
    assert 'name="provider"' not in form
    assert 'name="application"' not in form
    assert (await visitor.submit("/holds/new", "/holds", channel="push", reason="too many")).status_code == 303
    page = (await visitor.open("/holds")).text
    assert "by push" in page
    assert "/release" in page


async def test_a_user_sees_that_it_is_held_and_not_why(visitor: Browser, system: System, template: str) -> None:
    email, password = f"{uuid4().hex}@example.com", uuid4().hex
    person = system.call("POST", "/users", {"name": "Sam", "email": email, "password": password})
    hold(system, template_code=template)
    body = {
        "notification_type": "email", "user_id": person["id"], "template_code": template,
        "variables": {"name": "Sam"}, "request_id": uuid4().hex,
    }  # fmt: skip
    made = system.call("POST", "/notifications", body)["notification_id"]
    wait_until(lambda: system.detail(made)["held_by"], 30, "the hold")
    await visitor.log_in(email, password)
    page = (await visitor.open(f"/notifications/{made}")).text
    assert "Not yet. It is held." in page
    assert "wrong price" not in page
    assert (await visitor.open("/holds")).status_code == 403


def made_of(**fields: Any) -> Hold:
    nothing = dict.fromkeys(("template_code", "application_id", "notification_type", "provider"))
    return Hold.model_construct(**{**nothing, "held": 2, **fields})


def test_words_about_holds() -> None:
    narrow = made_of(template_code="w", application_id="7", notification_type="email")
    assert target(narrow, {"7": "Shop"}) == "template w, application Shop, by e-mail"
    assert target(made_of(provider="smtp")) == "provider smtp"
    assert who("user:7", {"7": "Ada"}) == "Ada"
    assert who("test:8", {"8": "Shop"}) == "application Shop, with a test key"
    assert who("key:" + "0" * 12, {}) == "application 00000000"
    other = made_of(template_code="x")
    assert StandingHolds([narrow, other], 2).of_template("w") == [narrow]
    assert StandingHolds([narrow, other], 2).held == 4
