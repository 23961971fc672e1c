"""The editor of templates: drafts, previews while typing, refusals that lose nothing, languages, new templates."""

import html
import re
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from devstack.plan import ADMIN_EMAIL
from tests.visiting import Browser, System

MAIL = "<html><body><h1>Hello {{ name }}</h1></body></html>"
PARTS = {"subject": "Hi {{ name }}", "content": MAIL, "channels": "email", "values": '{"name": "Ada"}'}


@pytest.fixture
def template(system: System) -> str:
    return system.template(content=MAIL)


async def _save(browser: Browser, code: str, version: int = 1, **changes: str) -> httpx2.Response:
    """The form that the edit page of this version sends."""
    page = f"/templates/{code}/edit?language=en&version={version}"
    return await browser.submit(page, page, **{**PARTS, **changes})


def _text(page: httpx2.Response) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.text)))


async def test_a_change_is_saved_as_a_draft_and_what_is_sent_stays(
    admin: Browser, system: System, template: str
) -> None:
    saved = await _save(admin, template, subject="Dear {{ name }}", content=MAIL.replace("\n", "\r\n"))
    assert saved.headers["location"] == f"/templates/{template}?language=en&version=2&done=draft"
    assert (system.call("GET", f"/templates/{template}")["version"]) == 1
    assert (system.call("GET", f"/templates/{template}?version=2")["subject"]) == "Dear {{ name }}"
    page = await admin.open(saved.headers["location"])
    assert "It is saved as a draft." in page.text
    assert "Version 2 is a draft." in page.text
    assert f"/templates/{template}/activate?language=en&amp;version=2" in page.text
    assert "Dear Ada Lovelace" in page.text, "the page shows the draft"


async def test_lines_end_as_in_the_file_and_the_same_again_is_no_new_version(admin: Browser, system: System) -> None:
    code = system.template(content="\n<p>Hello {{ name }}</p>\n<p>Bye</p>\n")
    page = await admin.open(f"/templates/{code}/edit")
    typed = re.search(r'<textarea id="f-content"[^>]*>\n(.*?)</textarea>', page.text, re.DOTALL)
    assert typed is not None
    assert html.unescape(typed[1]) == "\n<p>Hello {{ name }}</p>\n<p>Bye</p>\n"
    same = html.unescape(typed[1]).replace("\n", "\r\n")
    saved = await admin.submit(
        f"/templates/{code}/edit", f"/templates/{code}/edit", subject="Hi {{ name }}", content=same,
        channels=["email", "push"],
    )  # fmt: skip
    assert saved.headers["location"].endswith("version=1&done=unchanged")


async def test_what_is_refused_is_said_beside_its_field_and_nothing_typed_is_lost(
    admin: Browser, template: str
) -> None:
    typed = {
        "subject": 'Mine {{ name }} "quoted" <b>',
        "content": "<p>{{ name </p>",
        "text": "kept text",
        "values": "{",
    }
    refused = await _save(admin, template, **typed)
    assert refused.status_code == 422
    assert "It was not saved." in refused.text
    problem = re.search(r'<p class="field-problem" id="p-content">(.+?)</p>', refused.text)
    assert problem is not None
    for value in typed.values():
        assert html.escape(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in refused.text
    assert 'aria-invalid="true"' in refused.text


async def test_a_version_that_somebody_else_saved_meanwhile_is_told_and_nothing_typed_is_lost(
    admin: Browser, system: System, template: str
) -> None:
    opened = await admin.open(f"/templates/{template}/edit?language=en&version=1")
    assert 'name="latest_version" value="1"' in opened.text
    system.call("PATCH", f"/templates/{template}", {"subject": "Theirs {{ name }}", "activate": False})
    refused = await _save(admin, template, subject="Mine {{ name }}", latest_version="1")
    assert (refused.status_code, 'value="Mine {{ name }}"' in refused.text) == (409, True)
    assert "It was not saved. Somebody saved version 2 in the meantime" in _text(refused)
    assert f"/templates/{template}/compare?language=en&amp;version=2&amp;other=1" in refused.text
    assert 'name="latest_version" value="2"' in refused.text
    again = await _save(admin, template, subject="Mine {{ name }}", latest_version="2")
    assert again.headers["location"] == f"/templates/{template}?language=en&version=3&done=draft"


async def test_settings_that_the_form_does_not_show_stay_also_those_of_a_draft(admin: Browser, system: System) -> None:
    sender = {"from_name": "Parcels", "from_email": None, "reply_to": None}
    code = system.template(purpose="news", link_schemes=["myapp"], sender=sender)
    system.call("PATCH", f"/templates/{code}", {"purpose": "offers", "inline_css": False, "activate": False})
    assert (await _save(admin, code, 2, subject="New")).status_code == 303
    made = system.call("GET", f"/templates/{code}?version=3")
    assert (made["subject"], made["purpose"], made["inline_css"]) == ("New", "offers", False)
    assert (made["link_schemes"], made["sender"], made["channels"]) == (["myapp"], sender, ["email"])


async def test_the_preview_follows_what_is_typed(admin: Browser, template: str) -> None:
    page = f"/templates/{template}/edit"
    base = {"base_code": template, "base_language": "en", "base_version": "1"}
    shown = await admin.submit(
        page, "/template-preview", **base, **{**PARTS, "title": "Ding {{ name }}", "body": "Now"}
    )
    text = _text(shown)
    assert "Hi Ada" in text
    assert "6 characters" in text
    assert "Ding Ada" in text
    assert 'hx-swap-oob="true"' in shown.text
    assert "<html" not in shown.text
    mail = await admin.submit(page, "/template-frame", **base, **PARTS)
    assert "Hello Ada" in mail.text
    brought = re.search(r'id="mail" value="([^"]*)"', shown.text)
    assert brought is not None
    assert html.unescape(brought[1]) == mail.text
    again = await admin.submit(page, "/template-frame", mail="<p>as it was rendered</p>", content="{{ name")
    assert again.text == "<p>as it was rendered</p>", "nothing is rendered twice"
    assert again.headers["content-security-policy"] == mail.headers["content-security-policy"]
    policy = mail.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script" not in policy


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"content": "<p>{{ name </p>"}, "It cannot be shown: see content"),
        ({"content": "", "text": ""}, "It cannot be shown: see content"),
        ({"values": "{"}, "It cannot be shown: see values"),
        ({"values": "[]"}, "The values are one JSON object"),
        ({"values": "{}"}, "Examples are shown for name"),
        ({"subject": "{{ order.id }} {{ name }}", "values": '{"order": {"id": 7}}'}, "7 Ada Lovelace"),
        ({"content": "<p>" + "x" * 110_000 + "</p>"}, "Gmail cuts a message off"),
        ({"subject": "x" * 300}, "300 characters"),
    ],
)
async def test_the_preview_says_what_is_wrong_or_missing(
    admin: Browser, template: str, changed: dict[str, str], said: str
) -> None:
    shown = await admin.submit(f"/templates/{template}/edit", "/template-preview", **{**PARTS, **changed})
    assert shown.status_code == 200
    assert said in _text(shown)


async def test_values_come_from_the_last_real_notification_unless_examples_are_asked_for(
    admin: Browser, system: System, template: str
) -> None:
    system.call("PATCH", f"/templates/{template}", {"content": "<p>{{ name }} {{ order.id }}</p>", "activate": True})
    sent = system.send(system.user()["id"], template, variables={"name": "Real Name", "order": {"id": 17}})
    page = await admin.open(f"/templates/{template}/edit")
    assert "Real Name" in page.text
    assert f"/notifications/{sent['notification_id']}" in page.text
    examples = await admin.open(f"/templates/{template}/edit?values=examples")
    assert "Real Name" not in examples.text
    assert "Ada Lovelace" in examples.text


async def test_a_key_without_notifications_sees_examples_and_needs_the_scope_to_save(
    visitor: Browser, system: System, template: str
) -> None:
    system.send(system.user()["id"], template, variables={"name": "Real Name"})
    await visitor.submit("/login", "/login/key", key=system.key("templates:read"))
    page = await visitor.open(f"/templates/{template}/edit")
    assert page.status_code == 200
    assert "Real Name" not in page.text
    system.call("PATCH", f"/templates/{template}", {"subject": "Theirs {{ name }}", "activate": False})
    refused = await _save(visitor, template, subject="Mine", latest_version="1")
    assert 'name="latest_version" value="1"' in refused.text, "what they have not been told of is still new to them"
    assert "It was not saved." in refused.text
    assert 'value="Mine"' in refused.text, "nothing typed is lost"


async def test_a_language_is_added(admin: Browser, system: System, template: str) -> None:
    page = f"/templates/{template}/languages"
    fields = {**PARTS, "subject": "Olá {{ name }}"}
    refused = await admin.submit(page, page, **fields, language="p!")
    assert refused.status_code == 422
    assert 'id="p-language"' in refused.text
    assert "Olá" in refused.text
    added = await admin.submit(page, page, **fields, language="pt-BR")
    assert added.headers["location"] == f"/templates/{template}?language=pt-BR&version=1&done=created"
    assert system.call("GET", f"/templates/{template}?language=pt-BR")["subject"] == "Olá {{ name }}"
    assert 'aria-label="Language"' in (await admin.open(f"/templates/{template}")).text


async def test_a_template_is_created(admin: Browser, system: System) -> None:
    code = f"t_{uuid4().hex[:12]}"
    about = {"code": "No Code", "name": "Parcel", "description": "Sent at dispatch", "language": "en"}
    refused = await admin.submit("/new-template", "/new-template", **{**PARTS, **about})
    assert refused.status_code == 422
    assert re.search(r'id="p-code">.+?<', refused.text)
    made = await admin.submit("/new-template", "/new-template", **{**PARTS, **about, "code": code})
    assert made.headers["location"] == f"/templates/{code}?language=en&version=1&done=created"
    assert system.call("GET", f"/templates/{code}")["channels"] == ["email"]


async def test_versions_are_compared_word_by_word(admin: Browser, system: System, template: str) -> None:
    await _save(admin, template, subject="Hi dear {{ name }}", content=MAIL.replace("Hello", "<b>Hello</b>"))
    for query in ("version=2", "version=1&other=2", "version=2&other=1"):
        page = await admin.open(f"/templates/{template}/compare?language=en&{query}")
        assert "<ins>dear </ins>" in page.text.replace("<ins> dear</ins>", "<ins>dear </ins>")
        assert "&lt;b&gt;" in page.text
        assert "<b>Hello" not in page.text
    same = await admin.open(f"/templates/{template}/compare?version=1&other=1")
    assert "They are the same" in same.text


async def test_a_version_is_activated_and_rolled_back_after_a_page_that_asks(
    admin: Browser, system: System, template: str
) -> None:
    await _save(admin, template, subject="Dear {{ name }}")
    for version, word in ((2, "Activate"), (1, "Roll back to")):
        page = f"/templates/{template}/activate?language=en&version={version}"
        asked = await admin.open(page)
        assert f"{word} version {version}?" in _text(asked)
        assert "Dear" in asked.text, "it shows what changes"
        done = await admin.submit(page, page)
        assert done.headers["location"].endswith(f"version={version}&done=activated")
        assert system.call("GET", f"/templates/{template}")["version"] == version
        assert "is active" in _text(await admin.open(page))


async def test_a_draft_is_tried_and_the_answer_comes_first(admin: Browser, system: System, template: str) -> None:
    page = f"/templates/{template}/trial?language=en&version="
    assert "Nothing was tried" in (await admin.open(f"{page}1")).text
    sent = system.send(system.user()["id"], template)
    await _save(admin, template, subject="Dear {{ first_name }}")
    text = _text(await admin.open(f"{page}2"))
    assert "The last notification would fail with version 2." in text
    assert "first_name is missing." in text
    await _save(admin, template, subject="Dear {{ name }}", content="<p><a href='https://example.com/new'>x</a></p>")
    good = await admin.open(f"{page}3&last=10")
    text = _text(good)
    assert "The last notification can be sent with version 3." in text
    assert "Its subject changes, and has 10 characters." in text
    assert "<ins>Dear Grace</ins>" in good.text
    assert "<ins>https://example.com/new</ins>" in good.text
    assert f"/notifications/{sent['notification_id']}" in good.text


async def test_a_test_is_sent_to_oneself(admin: Browser, system: System, template: str) -> None:
    await _save(admin, template, subject="Draft for {{ name }}")
    page = f"/templates/{template}/test?language=en&version=2"
    asked = await admin.open(page)
    assert ADMIN_EMAIL in asked.text
    refused = await admin.submit(page, page, values="{", channel="email")
    assert (refused.status_code, "It was not sent." in refused.text) == (422, True)
    missing = await admin.submit(page, page, values='{"other": "kept"}', channel="email")
    assert missing.status_code == 422
    assert "kept" in missing.text
    assert re.search(r'id="p-values">.+?<', missing.text)
    request_id = f"test-{uuid4().hex}"
    first = await admin.submit(page, page, values='{"name": "Me"}', channel="email", request_id=request_id)
    again = await admin.submit(page, page, values='{"name": "Me"}', channel="email", request_id=request_id)
    assert first.headers["location"] == again.headers["location"], "a second click sends nothing"
    sent: Any = system.detail(first.headers["location"].rpartition("/")[2])
    assert (sent["template_version"], sent["metadata"]) == (2, {"test_send": True})


async def test_a_key_has_no_address_to_send_a_test_to(visitor: Browser, system: System, template: str) -> None:
    scopes = ("templates:read", "notifications:read", "notifications:write")
    await visitor.submit("/login", "/login/key", key=system.key(*scopes))
    page = f"/templates/{template}/test"
    assert "A key has no address" in (await visitor.open(page)).text
    refused = await visitor.submit("/templates", page, values="{}", channel="email")
    assert refused.status_code in {403, 422}


@pytest.mark.parametrize("tail", ["edit", "trial", "compare", "activate", "test", "languages"])
async def test_a_template_that_is_none_is_a_clear_page(admin: Browser, tail: str) -> None:
    for code in ("none", "a%20b"):
        page = await admin.open(f"/templates/{code}/{tail}")
        assert (page.status_code, "<h1>" in page.text) == (404, True)
    assert (await admin.open(f"/templates/welcome_email/{tail}?version=99")).status_code in {200, 404}
    assert (await admin.open(f"/templates/welcome_email/{tail}?version=x")).status_code in {200, 422}
