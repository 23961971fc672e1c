"""Previews use the renderer of deliveries, with its limits."""

import json

import pytest

TEMPLATES = "/api/v1/templates"
RENDER = f"{TEMPLATES}/welcome_email/render"
VALUES = {"name": "Ada", "link": "https://example.com/start"}
PUSHED = "Hello Ada, begin (https://example.com/start)"


@pytest.fixture(autouse=True)
async def created(admin, welcome) -> None:
    await admin.post(TEMPLATES, json=welcome)


async def test_a_preview_shows_what_would_be_sent(admin) -> None:
    data = (await admin.post(RENDER, json={"variables": VALUES})).json()["data"]
    assert data["push"] == {"title": "Hello Ada", "body": PUSHED, "image": "", "link": ""}
    assert data["email"]["subject"] == "Hello Ada"
    assert "href='https://example.com/start'" in data["email"]["html"]
    assert "Hello Ada" in data["email"]["text"]


async def test_both_channels_or_one_are_shown(admin) -> None:
    await admin.patch(
        f"{TEMPLATES}/welcome_email", json={"title": "Hi {{ name }}", "image": "https://example.com/i.png"}
    )
    both = (await admin.post(RENDER, json={"variables": VALUES})).json()["data"]
    assert both["push"] == {"title": "Hi Ada", "body": PUSHED, "image": "https://example.com/i.png", "link": ""}
    assert both["email"]
    one = (await admin.post(RENDER, json={"variables": VALUES, "channel": "push"})).json()["data"]
    assert (one["email"], one["push"]) == (None, both["push"])


async def test_a_channel_that_is_not_served_is_refused(admin) -> None:
    await admin.patch(f"{TEMPLATES}/welcome_email", json={"type": "email"})
    assert (await admin.post(RENDER, json={"variables": VALUES})).json()["data"]["push"] is None
    answer = await admin.post(RENDER, json={"variables": VALUES, "channel": "push"})
    assert answer.status_code == 422
    assert answer.json()["data"]["errors"][0]["field"] == "channel"


async def test_every_missing_variable_is_named(admin) -> None:
    answer = await admin.post(RENDER, json={"variables": {"name": None}})
    assert (answer.status_code, answer.json()["error"]) == (422, "missing_variables")
    fields = [error["field"] for error in answer.json()["data"]["errors"]]
    assert fields == ["variables.link", "variables.name"]


async def test_a_preview_of_one_channel_needs_what_that_channel_needs(admin) -> None:
    await admin.patch(f"{TEMPLATES}/welcome_email", json={"title": "Hello", "body": "Open the app"})
    pushed = await admin.post(RENDER, json={"variables": {}, "channel": "push"})
    assert pushed.json()["data"]["push"]["body"] == "Open the app"
    mailed = await admin.post(RENDER, json={"variables": {}, "channel": "email"})
    assert mailed.json()["error"] == "missing_variables"


async def test_what_the_template_asks_about_may_be_left_out(admin) -> None:
    parts = {
        "content": "Hi {{ name | default: 'you' }}{% if order.note %}, {{ order.note }}{% endif %}",
        "variables": {},
    }
    answer = await admin.post(f"{TEMPLATES}/render", json=parts)
    assert answer.json()["data"]["email"]["html"] == "<p>Hi you</p>"


async def test_a_missing_path_is_named_as_the_template_names_it(admin) -> None:
    parts = {"content": "{{ order.id }} {{ order.total }}", "variables": {"order": {"id": 1}}}
    answer = await admin.post(f"{TEMPLATES}/render", json=parts)
    assert [error["field"] for error in answer.json()["data"]["errors"]] == ["variables.order.total"]


async def test_a_language_and_a_version_can_be_chosen(admin, welcome) -> None:
    await admin.post(TEMPLATES, json={**welcome, "language": "pt", "subject": "Olá {{ name }}"})
    await admin.patch(f"{TEMPLATES}/welcome_email?language=pt", json={"subject": "Oi {{ name }}"})
    shown = await admin.post(RENDER, json={"variables": VALUES, "language": "pt-BR", "version": 1})
    assert shown.json()["data"]["email"]["subject"] == "Olá Ada"


async def test_parts_can_be_previewed_before_they_are_saved(admin) -> None:
    answer = await admin.post(f"{TEMPLATES}/render", json={"body": "<p>{{ name }}</p>", "variables": VALUES})
    assert answer.json()["data"]["email"] == {"subject": "Preview", "html": "<p>Ada</p>", "text": "Ada"}
    assert (await admin.get(TEMPLATES)).json()["meta"]["total"] == 1


async def test_an_invalid_unsaved_part_is_named(admin) -> None:
    answer = await admin.post(f"{TEMPLATES}/render", json={"title": "{% if %}", "variables": {}})
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_template")
    assert answer.json()["data"]["errors"][0]["field"] == "title"


async def test_a_value_is_text_never_a_template_or_markup(admin) -> None:
    hostile = {**VALUES, "name": "{{ link }}<script>alert(1)</script>"}
    email = (await admin.post(RENDER, json={"variables": hostile})).json()["data"]["email"]
    assert "{{ link }}&lt;script&gt;" in email["html"]
    assert "<script" not in email["html"]


async def test_a_value_ends_no_line_of_the_subject(admin) -> None:
    email = (await admin.post(RENDER, json={"variables": {**VALUES, "name": "x\r\nBcc: v@e.f"}})).json()["data"][
        "email"
    ]
    assert "\r" not in email["subject"]
    assert "\n" not in email["subject"]


async def test_a_link_that_could_run_code_is_neutralised(admin) -> None:
    for link in ("javascript:alert(1)", "java\tscript:alert(1)"):
        email = (await admin.post(RENDER, json={"variables": {**VALUES, "link": link}})).json()["data"]["email"]
        assert "script:" not in email["html"]


@pytest.mark.parametrize(
    "variables",
    [
        {"name": "x" * 70_000},
        {"name": "é" * 33_000},  # counted in bytes
        {"name": "\ud800"},
        {"\ud800": 1},
        {"name": "\0"},
        {"name": 10**308},
        {"name": float("nan")},
        [1],
        "x",
    ],
)
async def test_variables_are_bounded_json(admin, variables) -> None:
    if isinstance(variables, dict):
        variables = {**VALUES, **variables}
    answer = await admin.post(RENDER, content=_json({"variables": variables}), headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_error")
    assert [error["field"] for error in answer.json()["data"]["errors"]] == ["variables"]


async def test_a_preview_takes_the_variables_that_a_notification_takes(admin) -> None:
    await admin.patch(f"{TEMPLATES}/welcome_email", json={"subject": "Number {{ name }}"})
    shown = await admin.post(RENDER, json={"variables": {**VALUES, "name": 12345678901234567890123}})
    assert shown.json()["data"]["email"]["subject"] == "Number 12345678901234567890123"
    for nothing in ([], None):
        answer = await admin.post(RENDER, json={"variables": nothing})
        assert answer.json()["error"] == "missing_variables"


async def test_a_megabyte_of_variables_is_refused(admin) -> None:
    assert (await admin.post(RENDER, json={"variables": {"name": "x" * 1_048_576}})).status_code == 413


@pytest.mark.parametrize("depth", [300, 900, 10_000, 100_000])
async def test_deep_nesting_is_refused(admin, depth) -> None:
    body = '{"variables": {"name": ' + "[" * depth + "]" * depth + "}}"
    answer = await admin.post(RENDER, content=body, headers=JSON)
    assert answer.status_code in {400, 413, 422}
    assert answer.json()["success"] is False


JSON = {"Content-Type": "application/json"}


def _json(value: object) -> str:
    """Written by the standard library, which spells out half a surrogate pair."""
    return json.dumps(value)


@pytest.mark.parametrize(("length", "warned"), [(102 * 1024 - 7, False), (102 * 1024 - 6, True)])
async def test_a_mail_that_gmail_would_cut_off_is_previewed_with_a_warning(admin, length: int, *, warned: bool) -> None:
    parts = {"content": f"<p>{'x' * (length - 3)}{{{{ name }}}}</p>", "variables": {"name": "Ada"}}
    data = (await admin.post(f"{TEMPLATES}/render", json=parts)).json()["data"]
    assert len(data["email"]["html"]) == length + 7
    assert [("102 kB" in warning) for warning in data["warnings"]] == [True] * warned
