"""POST /templates: saved fields, their alternative names, and refusals."""

import pytest

TEMPLATES = "/api/v1/templates"


async def test_a_new_template_is_answered_whole(admin, welcome) -> None:
    answer = await admin.post(TEMPLATES, json=welcome)
    assert answer.status_code == 201
    body = answer.json()
    assert (body["success"], body["error"], body["meta"]) == (True, None, None)
    data = body["data"]
    assert welcome.items() <= data.items()
    assert (data["version"], data["active_version"], data["default_language"]) == (1, 1, "en")
    assert data["languages"] == ["en"]
    assert data["variables"] == ["link", "name"]
    assert data["channels"] == ["email", "push"]
    assert data["created_at"] <= data["updated_at"]


async def test_every_path_works_with_a_trailing_slash(admin, welcome) -> None:
    assert (await admin.post(f"{TEMPLATES}/", json=welcome)).status_code == 201
    assert (await admin.get(f"{TEMPLATES}/welcome_email/")).json()["data"]["code"] == "welcome_email"
    assert (await admin.get(f"{TEMPLATES}/")).json()["meta"]["total"] == 1


async def test_template_code_and_body_are_other_names_of_code_and_content(admin) -> None:
    created = await admin.post(
        TEMPLATES, json={"template_code": "plain", "name": "Plain", "body": "<p>Hi {{ name }}</p>"}
    )
    data = created.json()["data"]
    assert (data["code"], data["content"], data["body"]) == ("plain", "<p>Hi {{ name }}</p>", "")
    assert data["channels"] == ["email", "push"]


@pytest.mark.parametrize(
    ("parts", "content", "body", "channels"),
    [
        ({"body": "x"}, "x", "", ["email", "push"]),
        ({"body": "x", "title": None}, "x", "", ["email", "push"]),
        ({"body": "x", "title": "t"}, "", "x", ["push"]),
        ({"body": "x", "content": "c"}, "c", "x", ["email", "push"]),
        ({"body": "x", "content": "c", "title": "t"}, "c", "x", ["email", "push"]),
        ({"title": "t"}, "", "", ["push"]),
        ({"text": "x"}, "", "", ["email", "push"]),
    ],
)
async def test_body_is_the_push_message_beside_a_title_or_content_and_else_the_content(
    admin, parts, content, body, channels
) -> None:
    data = (await admin.post(TEMPLATES, json={"code": "t", "name": "T", **parts})).json()["data"]
    assert (data["content"], data["body"], data["channels"]) == (content, body, channels)


async def test_an_email_without_a_subject_gets_the_name_for_one(admin, welcome) -> None:
    del welcome["subject"]
    assert (await admin.post(TEMPLATES, json=welcome)).json()["data"]["subject"] == "Welcome"


async def test_a_push_template_gets_no_subject(admin) -> None:
    assert (await admin.post(TEMPLATES, json={"code": "p", "name": "P", "title": "T"})).json()["data"]["subject"] == ""


async def test_an_existing_code_gets_the_new_language(admin, welcome) -> None:
    await admin.post(TEMPLATES, json=welcome)
    portuguese = {**welcome, "language": "pt_br", "subject": "Olá {{ name }}", "name": "Bem-vindo"}
    answer = await admin.post(TEMPLATES, json=portuguese)
    assert answer.status_code == 201
    data = answer.json()["data"]
    assert (data["language"], data["version"], data["languages"]) == ("pt-BR", 1, ["en", "pt-BR"])
    assert (data["name"], data["default_language"]) == ("Welcome", "en")


async def test_an_existing_language_is_a_conflict(admin, welcome) -> None:
    await admin.post(TEMPLATES, json=welcome)
    answer = await admin.post(TEMPLATES, json={**welcome, "subject": "Other"})
    assert (answer.status_code, answer.json()["error"]) == (409, "template_exists")
    assert (await admin.get(f"{TEMPLATES}/welcome_email")).json()["data"]["subject"] == welcome["subject"]


@pytest.mark.parametrize("code", ["", "Upper", "-x", ".x", "a b", "a/b", "a" * 101, "a\x00", "é", "a\n", None, 7])
async def test_a_code_has_its_form(admin, welcome, code) -> None:
    answer = await admin.post(TEMPLATES, json={**welcome, "code": code})
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")
    assert [error["field"] for error in answer.json()["data"]["errors"]] == ["code"]


async def test_an_operation_s_name_is_no_code(admin, welcome) -> None:
    """A template by that code could never be read: the path is that of `POST /templates/render`."""
    answer = await admin.post(TEMPLATES, json={**welcome, "code": "render"})
    assert (answer.status_code, answer.json()["data"]["errors"][0]["field"]) == (422, "code")
    assert (await admin.get(f"{TEMPLATES}/render")).headers["Allow"] == "OPTIONS, POST"


async def test_every_wrong_field_is_listed(admin) -> None:
    answer = await admin.post(TEMPLATES, json={"code": "X", "name": "", "language": "english!", "content": 5})
    fields = {error["field"] for error in answer.json()["data"]["errors"]}
    assert fields == {"code", "name", "language", "content"}


async def test_a_template_needs_content(admin) -> None:
    answer = await admin.post(
        TEMPLATES, json={"code": "t", "name": "T", "subject": "S", "content": "", "link": "https://x.y"}
    )
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["data"]["errors"]] == ["content"]


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({}, "content"),
        ({"text": ""}, "text"),
        ({"body": "", "title": None}, "title"),
        ({"body": "{{ a"}, "body"),
        ({"content": "{{ a"}, "content"),
        ({"body": "{{ a", "title": "t"}, "body"),
        ({"type": "email", "title": "{{ a", "content": "x"}, "title"),
        ({"type": "email", "body": "{{ a"}, "body"),
        ({"name": "50 {{ off", "content": "x"}, "name"),
        ({"type": "both", "title": "t"}, "type"),
        ({"channel": "both", "title": "t"}, "channel"),
        ({"template_type": "email,push", "channels": [], "title": "t"}, "template_type"),
        ({"channels": ["email", "push"], "title": "t"}, "channels"),
    ],
)
async def test_what_is_wrong_is_named_as_the_caller_named_it(admin, parts, field) -> None:
    answers = [await admin.post(TEMPLATES, json={"code": "t", "name": "T", **parts})]
    await admin.post(TEMPLATES, json={"code": "there", "name": "T", "content": "x"})
    answers.append(await admin.put(f"{TEMPLATES}/there", json=parts))
    for answer in answers:
        assert [problem["field"] for problem in answer.json()["data"]["errors"]] == [field]


async def test_what_the_renderer_refuses_is_named_by_its_part(admin, welcome) -> None:
    answer = await admin.post(TEMPLATES, json={**welcome, "content": "<p>{% include 'x' %}</p>"})
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_template")
    (problem,) = answer.json()["data"]["errors"]
    assert problem["field"] == "content"
    assert problem["message"]
    assert (await admin.get(f"{TEMPLATES}/welcome_email")).status_code == 404


async def test_a_filter_call_that_can_never_work_is_refused_with_its_line(admin, welcome) -> None:
    answer = await admin.post(TEMPLATES, json={**welcome, "content": "<p>\n{{ day | date: format: '%Y' }}</p>"})
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_template")
    (problem,) = answer.json()["data"]["errors"]
    assert problem == {"field": "content", "message": "line 2: the filter 'date' takes no argument named 'format'"}


async def test_what_a_template_asks_about_is_not_listed_as_needed(admin, welcome) -> None:
    parts = {"subject": "For {{ name }}", "content": "{% if name != blank %}{{ name }}{% endif %}{{ total }}"}
    created = await admin.post(TEMPLATES, json={**welcome, **parts})
    assert created.json()["data"]["variables"] == ["total"]


async def test_privileged_names_in_a_body_are_never_taken(admin, welcome) -> None:
    smuggled = {
        "id": 7,
        "version": 9,
        "active_version": 9,
        "archived_at": "2020-01-01",
        "created_at": "2020-01-01T00:00:00Z",
    }
    data = (await admin.post(TEMPLATES, json={**welcome, **smuggled, "required": [], "variables": []})).json()["data"]
    assert (data["version"], data["active_version"], data["variables"]) == (1, 1, ["link", "name"])
    assert not data["created_at"].startswith("2020")
