"""A template's channels are applied or refused, under every name of the field."""

import pytest

TEMPLATES = "/api/v1/templates"
BRIEF = {
    "code": "welcome_email",
    "name": "Welcome Email",
    "description": "Email sent to new users",
    "content": "<html><body>Hello {{name}}!</body></html>",
    "language": "en",
}


async def created(admin, **fields: object) -> dict[str, object]:
    answer = await admin.post(TEMPLATES, json={"code": "t", "name": "N", **fields})
    assert answer.status_code == 201, answer.text
    data: dict[str, object] = answer.json()["data"]
    return data


async def push_of(admin, code: str, **variables: object) -> dict[str, str]:
    body = {"variables": variables, "channel": "push"}
    push: dict[str, str] = (await admin.post(f"{TEMPLATES}/{code}/render", json=body)).json()["data"]["push"]
    return push


async def test_the_template_of_the_brief_is_for_both(admin) -> None:
    data = (await admin.post(TEMPLATES, json=BRIEF)).json()["data"]
    assert data["channels"] == ["email", "push"]
    push = await push_of(admin, "welcome_email", name="Ada")
    assert (push["title"], push["body"]) == ("Welcome Email", "Hello Ada!")


@pytest.mark.parametrize("field", ["type", "channel", "channels", "notification_type", "template_type"])
@pytest.mark.parametrize(
    ("value", "channels"),
    [
        ("email", ["email"]),
        ("EMAIL", ["email"]),
        (" E-Mail ", ["email"]),
        ("push", ["push"]),
        ("Push", ["push"]),
        ("push_notification", ["push"]),
        (["push"], ["push"]),
        (["PUSH", "email"], ["email", "push"]),
        ("email,push", ["email", "push"]),
        ("both", ["email", "push"]),
        (None, ["email", "push"]),
        ("", ["email", "push"]),
        ([], ["email", "push"]),
    ],
)
async def test_a_channel_may_be_said_in_every_usual_way(admin, field, value, channels) -> None:
    assert (await created(admin, content="<p>x</p>", **{field: value}))["channels"] == channels


@pytest.mark.parametrize("field", ["type", "channel", "channels", "notification_type", "template_type"])
@pytest.mark.parametrize(
    "value",
    ["nonsense", "sms", ["email", "sms"], [1], 7, 0, False, {}, True, {"email": True}, "email;drop", ["email"] * 11],
)
async def test_what_is_no_channel_is_refused_by_name(admin, field, value) -> None:
    answer = await admin.post(TEMPLATES, json={**BRIEF, field: value})
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")
    assert [error["field"] for error in answer.json()["data"]["errors"]] == [field]
    assert (await admin.get(f"{TEMPLATES}/welcome_email")).status_code == 404


async def test_names_that_contradict_each_other_are_refused(admin) -> None:
    answer = await admin.post(TEMPLATES, json={**BRIEF, "type": "push", "channel": "email"})
    assert [error["field"] for error in answer.json()["data"]["errors"]] == ["type"]
    agreeing = {**BRIEF, "type": "PUSH", "channel": "push", "channels": ["push"], "notification_type": None}
    assert (await admin.post(TEMPLATES, json=agreeing)).json()["data"]["channels"] == ["push"]


async def test_subject_and_body_of_a_push_template_are_its_title_and_message(admin) -> None:
    data = await created(admin, type="push", subject="Order {{ id }}", body="It is here")
    assert (data["channels"], data["content"], data["body"]) == (["push"], "", "It is here")
    assert (await push_of(admin, "t", id=7))["title"] == "Order 7"


@pytest.mark.parametrize(
    ("fields", "title", "body"),
    [
        ({"body": "B"}, "N", "B"),
        ({"content": "<p>C"}, "N", "C"),
        ({"content": "a\n\nb"}, "N", "a\n\nb"),
        ({"content": "<p>C", "subject": "S"}, "S", "C"),
        ({"content": "<p>C", "body": "B", "title": "T"}, "T", "B"),
        ({"text": "X", "title": "T"}, "T", "X"),
    ],
)
async def test_a_push_template_says_what_it_was_given(admin, fields, title, body) -> None:
    assert (await created(admin, type="push", **fields))["channels"] == ["push"]
    push = await push_of(admin, "t")
    assert (push["title"], push["body"]) == (title, body)


async def test_title_and_body_of_an_email_template_are_its_subject_and_content(admin) -> None:
    data = await created(admin, type="email", title="Hello", body="<p>Hi</p>")
    assert (data["channels"], data["subject"], data["content"]) == (["email"], "Hello", "<p>Hi</p>")


async def test_an_email_template_needs_parts_for_email(admin) -> None:
    answer = await admin.post(TEMPLATES, json={"code": "t", "name": "N", "channels": ["email", "push"], "title": "T"})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["data"]["errors"]] == ["channels"]


async def test_a_choice_stays_through_changes_until_another_is_made(admin) -> None:
    await created(admin, type="push", body="B")
    path = f"{TEMPLATES}/t"
    for request, body in ((admin.patch, {"body": "C"}), (admin.put, {"body": "D"})):
        data = (await request(path, json=body)).json()["data"]
        assert (data["channels"], data["content"], data["body"]) == (["push"], "", body["body"])
    both = (await admin.patch(path, json={"channels": None, "content": "<p>x</p>"})).json()["data"]
    assert both["channels"] == ["email", "push"]
    mailed = (await admin.patch(path, json={"type": "email"})).json()["data"]
    assert (mailed["channels"], mailed["version"]) == (["email"], 5)
    back = (await admin.post(f"{path}/versions/1/activate")).json()["data"]
    assert (back["channels"], back["body"]) == (["push"], "B")


async def test_lists_and_services_know_the_choice(admin, service) -> None:
    await created(admin, type="push", content="<p>x</p>")
    assert [one["code"] for one in (await admin.get(f"{TEMPLATES}?channel=push")).json()["data"]] == ["t"]
    assert (await admin.get(f"{TEMPLATES}?channel=email")).json()["data"] == []
    outline = (await service.get("/internal/templates/t/active")).json()["data"]["languages"]["en"]
    assert (outline["serves_email"], outline["serves_push"]) == (False, True)


async def test_schemes_of_app_links_are_kept_with_the_version(admin, service) -> None:
    data = await created(admin, body="x", title="t", link="{{ u }}", link_schemes=["MyApp://", "acme"])
    assert data["link_schemes"] == ["acme", "myapp"]
    assert (await push_of(admin, "t", u="myapp://orders/1"))["link"] == "myapp://orders/1"
    info = (await service.get("/internal/templates/t?language=en&version=1")).json()["data"]
    assert info["link_schemes"] == ["acme", "myapp"]
    for body in ({"title": "other"}, {"link_schemes": ["acme"]}):
        changed = (await admin.patch(f"{TEMPLATES}/t", json=body)).json()["data"]
    assert (changed["link_schemes"], changed["version"]) == (["acme"], 3)
    assert (await push_of(admin, "t", u="myapp://orders/1"))["link"] == ""
    preview = {"body": "x", "title": "t", "link": "{{ u }}", "link_schemes": ["myapp"], "variables": {"u": "myapp:1"}}
    assert (await admin.post(f"{TEMPLATES}/render", json=preview)).json()["data"]["push"]["link"] == "myapp:1"


@pytest.mark.parametrize(
    "schemes", [["javascript"], ["data:"], ["script"], ["a b"], ["my_app"], [""], "myapp", ["a"] * 11]
)
async def test_schemes_that_could_run_code_or_are_none_are_refused(admin, schemes) -> None:
    answer = await admin.post(TEMPLATES, json={**BRIEF, "link_schemes": schemes})
    assert answer.status_code == 422
    assert {error["field"].split(".")[0] for error in answer.json()["data"]["errors"]} == {"link_schemes"}


async def test_a_link_that_would_run_code_is_refused_on_saving_and_in_previews(admin) -> None:
    content = "<a href='java&#115;cript:alert(1)'>x</a>"
    saved = await admin.post(TEMPLATES, json={**BRIEF, "content": content})
    shown = await admin.post(f"{TEMPLATES}/render", json={"content": content})
    for answer in (saved, shown):
        assert (answer.status_code, answer.json()["error"]) == (422, "invalid_template")
        assert [error["field"] for error in answer.json()["data"]["errors"]] == ["content"]


async def test_content_without_markup_keeps_its_paragraphs_and_is_read_back_as_it_was_sent(admin) -> None:
    content = "Hello {{ name }},\n\nsee you <soon>.\nBye"
    assert (await created(admin, content=content))["content"] == content
    shown = await admin.post(f"{TEMPLATES}/t/render", json={"variables": {"name": "Ada"}, "channel": "email"})
    email = shown.json()["data"]["email"]
    assert email["text"] == "Hello Ada,\n\nsee you <soon>.\nBye"
    assert email["html"] == "<p>Hello Ada,</p>\n<p>see you &lt;soon&gt;.<br>\nBye</p>"


@pytest.mark.parametrize("name", ["Prix\u00a0!", "👩\u200d👩\u200d👧", "می\u200cخواهم", "\u200fאבג"])
async def test_names_and_descriptions_of_every_script_are_taken(admin, name) -> None:
    data = await created(admin, content="x", name=name, description=name)
    assert (data["name"], data["description"], data["subject"]) == (name, name, name)


@pytest.mark.parametrize("name", ["a\nb", "a\r\nBcc: v@e.f", "a\0", "a\x1b[0m", "a\u2028b", " ", ""])
async def test_a_name_is_one_line(admin, name) -> None:
    answer = await admin.post(TEMPLATES, json={**BRIEF, "name": name})
    assert [error["field"] for error in answer.json()["data"]["errors"]] == ["name"]
