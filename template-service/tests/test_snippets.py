"""Snippets over HTTP: their versions, and the templates that contain them."""

import pytest

from chassis.audit import AuditQuestion
from chassis.postgres.database import Database
from template_service.repositories.audit import TRAIL

SNIPPETS = "/api/v1/snippets"
TEMPLATES = "/api/v1/templates"
HEADING = "<h1>{% block title %}Acme{% endblock %}</h1>"
BASE = f"<html><body>{HEADING}{{% block content %}}{{% endblock %}}{{% render 'footer' %}}</body></html>"
FOOTER = "<p>{{ company }}</p>"
MAIL = {
    "code": "paid",
    "name": "Paid",
    "subject": "{% render 'prefix' %}Paid",
    "content": "{% layout 'base' %}<p>{{ name }}</p>",
}


@pytest.fixture
async def author(admin):
    for name, content in (("footer", FOOTER), ("prefix", "[{{ shop }}] "), ("base", BASE)):
        await saved(admin, "POST", SNIPPETS, {"name": name, "content": content}, status=201)
    return admin


async def saved(client, method: str, path: str, body: dict[str, object] | None = None, status: int = 200):
    answer = await client.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


async def preview(client, **more: object) -> dict[str, str]:
    variables = {"company": "Acme & Co", "name": "Ada", "shop": "A"}
    return (await saved(client, "POST", f"{TEMPLATES}/paid/render", {"variables": variables, **more}))["email"]


async def test_a_snippet_is_created_read_changed_listed_and_archived(admin) -> None:
    made = await saved(admin, "POST", SNIPPETS, {"name": "footer", "content": FOOTER, "description": "All"}, status=201)
    assert (made["version"], made["latest_version"], made["content"], made["description"]) == (1, 1, FOOTER, "All")
    await saved(admin, "POST", SNIPPETS, {"name": "footer", "content": "x"}, status=409)
    path = f"{SNIPPETS}/footer"
    assert (await saved(admin, "PUT", path, {"content": FOOTER}))["version"] == 1
    changed = await saved(admin, "PUT", path, {"content": "<p>new</p>", "description": "Some"})
    assert (changed["version"], changed["description"]) == (2, "Some")
    assert (await saved(admin, "GET", f"{path}?version=1"))["content"] == FOOTER
    assert (await saved(admin, "GET", path))["content"] == "<p>new</p>"
    assert [one["version"] for one in await saved(admin, "GET", f"{path}/versions")] == [2, 1]
    assert [one["name"] for one in await saved(admin, "GET", f"{SNIPPETS}?search=FOO")] == ["footer"]
    assert await saved(admin, "GET", f"{SNIPPETS}?search=other") == []
    await saved(admin, "DELETE", path)
    for method, what in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/versions"), ("GET", "/templates")):
        await saved(admin, method, f"{path}{what}", {"content": "x"} if method == "PUT" else None, status=404)
    assert await saved(admin, "GET", SNIPPETS) == []
    again = await saved(admin, "POST", SNIPPETS, {"name": "footer", "content": "back"}, status=201)
    assert (again["version"], again["description"]) == (3, "")


async def test_unknown_versions_and_names_are_404(author) -> None:
    await saved(author, "GET", f"{SNIPPETS}/footer?version=9", status=404)
    await saved(author, "GET", f"{SNIPPETS}/Not a name", status=404)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{% if x %}", "expected tag endif"),
        ("{% render 'unknown' %}", "there is no snippet 'unknown'"),
        ("{% render 'own' %}", "the snippet 'own' contains itself"),
        ("{% layout 'own' %}x", "the snippet 'own' contains itself"),
        ("{% include 'footer' %}", "the tag 'include' is not available"),
        ("{% block a %}", "has no 'endblock'"),
        ("{{ x | nofilter }}", "nofilter"),
    ],
)
async def test_a_snippet_that_cannot_work_is_refused(author, content: str, problem: str) -> None:
    answer = await author.post(SNIPPETS, json={"name": "own", "content": content})
    assert answer.status_code == 422
    assert answer.json()["error"] == "invalid_snippet"
    assert problem in answer.json()["message"]


async def test_layouts_in_a_cycle_are_refused_with_the_whole_path(author) -> None:
    await saved(author, "POST", SNIPPETS, {"name": "a", "content": "{% block content %}{% endblock %}"}, status=201)
    await saved(author, "POST", SNIPPETS, {"name": "b", "content": "{% layout 'a' %}x"}, status=201)
    answer = await author.put(f"{SNIPPETS}/a", json={"content": "{% layout 'b' %}x"})
    assert (answer.status_code, "the snippet 'a' contains itself: a → b → a" in answer.json()["message"]) == (422, True)


async def test_a_layout_with_a_required_block_can_be_saved(author) -> None:
    strict = "<html>{% block content required %}{% endblock %}</html>"
    await saved(author, "POST", SNIPPETS, {"name": "strict", "content": strict}, status=201)
    body = {"code": "paid", "name": "Paid", "content": "{% layout 'strict' %}"}
    answer = await author.post(TEMPLATES, json=body)
    assert (answer.status_code, "must be filled" in answer.json()["message"]) == (422, True)


async def test_a_template_is_answered_as_written_and_sent_with_its_snippets(author, service) -> None:
    made = await saved(author, "POST", TEMPLATES, MAIL, status=201)
    assert (made["subject"], made["content"], made["content_format"]) == (MAIL["subject"], MAIL["content"], "html")
    assert made["snippets"] == {"base": 1, "footer": 1, "prefix": 1}
    assert made["variables"] == ["company", "name", "shop"]
    whole = (await service.get("/internal/templates/paid?language=en&version=1")).json()["data"]
    assert whole["html"] == f"<html><body><h1>Acme</h1><p>{{{{ name }}}}</p>{FOOTER}</body></html>"
    assert whole["subject"] == "[{{ shop }}] Paid"
    shown = await preview(author)
    assert shown["html"] == "<html><body><h1>Acme</h1><p>Ada</p><p>Acme &amp; Co</p></body></html>"
    assert shown["subject"] == "[A] Paid"


async def test_a_new_version_of_a_snippet_changes_no_template_until_it_is_refreshed(author) -> None:
    await saved(author, "POST", TEMPLATES, MAIL, status=201)
    before = await preview(author)
    await saved(author, "PUT", f"{SNIPPETS}/footer", {"content": "<p>{{ company }}, {{ city }}</p>"})
    assert await preview(author) == before
    use = {"code": "paid", "language": "en", "version": 1, "snippet_version": 1, "outdated": True}
    assert await saved(author, "GET", f"{SNIPPETS}/footer/templates") == [use]
    assert (await saved(author, "PUT", f"{TEMPLATES}/paid", dict(MAIL)))["version"] == 1
    refreshed = await saved(author, "POST", f"{TEMPLATES}/paid/refresh")
    assert (refreshed["version"], refreshed["snippets"]["footer"]) == (2, 2)
    assert (refreshed["content"], refreshed["subject"]) == (MAIL["content"], MAIL["subject"])
    assert refreshed["variables"] == ["city", "company", "name", "shop"]
    assert await preview(author, version=1) == before
    now = {**use, "version": 2, "snippet_version": 2, "outdated": False}
    assert await saved(author, "GET", f"{SNIPPETS}/footer/templates") == [now]
    assert (await saved(author, "POST", f"{TEMPLATES}/paid/refresh"))["version"] == 2


async def test_any_new_version_of_a_template_has_the_latest_snippets(author) -> None:
    await saved(author, "POST", TEMPLATES, MAIL, status=201)
    await saved(author, "PUT", f"{SNIPPETS}/prefix", {"content": "{{ shop }}: "})
    changed = await saved(author, "PATCH", f"{TEMPLATES}/paid", {"content": "{% layout 'base' %}{{ name }}"})
    assert (changed["version"], changed["snippets"]["prefix"], changed["subject"]) == (2, 2, MAIL["subject"])


async def test_a_template_with_an_archived_snippet_is_sent_as_before_and_cannot_be_saved(author) -> None:
    await saved(author, "POST", TEMPLATES, MAIL, status=201)
    before = await preview(author)
    await saved(author, "DELETE", f"{SNIPPETS}/footer")
    assert await preview(author) == before
    answer = await author.post(f"{TEMPLATES}/paid/refresh")
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_template")
    assert "there is no snippet 'footer'" in answer.json()["message"]


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"content": "<p>{% render 'unknown' %}</p>"}, "content"),
        ({"content": "x", "subject": "{% render 'unknown' %}"}, "subject"),
        ({"content": "x", "text": "{% layout 'unknown' %}"}, "text"),
        ({"title": "x", "body": "{% render 'unknown' %}"}, "body"),
        ({"content": "<p>x</p>", "preheader": "{% render 'unknown' %}"}, "preheader"),
    ],
)
async def test_an_unknown_snippet_is_named_with_the_field(admin, parts: dict[str, str], field: str) -> None:
    answer = await admin.post(TEMPLATES, json={"code": "paid", "name": "Paid", **parts})
    assert answer.status_code == 422
    (problem,) = answer.json()["data"]["errors"]
    assert (problem["field"], problem["message"]) == (field, "there is no snippet 'unknown'")


async def test_every_part_may_use_snippets(author) -> None:
    part = "{% render 'prefix' %}"
    body = {
        "code": "paid", "name": "Paid", "content": f"<p>{part}</p>", "preheader": part, "subject": part, "text": part,
        "title": part, "body": part, "link": f"https://e.com/{part}",
    }  # fmt: skip
    made = await saved(author, "POST", TEMPLATES, body, status=201)
    assert {name: made[name] for name in body} == body
    shown = await saved(author, "POST", f"{TEMPLATES}/paid/render", {"variables": {"shop": "<S>"}})
    assert shown["push"] == {"title": "[<S>]", "body": "[<S>] ", "image": "", "link": "https://e.com/[<S>]"}
    assert (shown["email"]["subject"], shown["email"]["text"]) == ("[<S>]", "[<S>] ")
    assert "<p>[&lt;S&gt;] </p>" in shown["email"]["html"]
    assert shown["email"]["html"].count("[&lt;S&gt;] ") == 2  # the preheader, too


async def test_styles_of_a_layout_are_inlined_into_what_the_template_says(author) -> None:
    layout = "<html><head><style>.big { font-size: 20px }</style></head><body>{% block content %}{% endblock %}</body></html>"
    await saved(author, "POST", SNIPPETS, {"name": "styled", "content": layout}, status=201)
    body = {"content": "{% layout 'styled' %}<p class='big'>{{ name }}</p>", "variables": {"name": "Ada"}}
    shown = await saved(author, "POST", f"{TEMPLATES}/render", body)
    assert "font-size: 20px" in shown["email"]["html"].partition("<body>")[2]


async def test_mjml_is_compiled_with_its_snippets_in_place(author) -> None:
    layout = "<mjml><mj-body>{% render 'row', text: name %}{% block content %}{% endblock %}</mj-body></mjml>"
    row = "<mj-section><mj-column><mj-text>{{ text }}</mj-text></mj-column></mj-section>"
    await saved(author, "POST", SNIPPETS, {"name": "row", "content": row}, status=201)
    await saved(author, "POST", SNIPPETS, {"name": "mjml", "content": layout}, status=201)
    body = {"code": "m", "name": "M", "content": "{% layout 'mjml' %}{% render 'row', text: 'second' %}"}
    made = await saved(author, "POST", TEMPLATES, body, status=201)
    assert (made["content_format"], made["content"]) == ("mjml", body["content"])
    shown = await saved(author, "POST", f"{TEMPLATES}/m/render", {"variables": {"name": "first"}})
    assert shown["email"]["text"].split() == ["first", "second"]


async def test_a_large_layout_counts_for_the_warning_about_gmail(author) -> None:
    layout = f"<p>{'x' * 110_000}</p>{{% block content %}}{{% endblock %}}"
    await saved(author, "POST", SNIPPETS, {"name": "large", "content": layout}, status=201)
    shown = await saved(author, "POST", f"{TEMPLATES}/render", {"content": "{% layout 'large' %}<p>x</p>"})
    assert "Gmail" in shown["warnings"][0]


async def test_who_changes_a_snippet_is_in_the_audit_trail(author, database_url) -> None:
    await saved(author, "PUT", f"{SNIPPETS}/footer", {"content": "x", "description": "d"})
    await saved(author, "PUT", f"{SNIPPETS}/footer", {"content": "x", "description": "d"})
    await saved(author, "DELETE", f"{SNIPPETS}/footer")
    database = Database(database_url)
    async with database.begin() as connection:
        found = (await TRAIL.find(connection, AuditQuestion(target="snippet:footer"))).events
    await database.close()
    assert [(event.action, event.before, event.after) for event in found] == [
        ("snippet.archived", {"description": "d", "version": 2}, {}),
        ("snippet.changed", {"description": "", "version": 1}, {"description": "d", "version": 2}),
        ("snippet.created", {}, {"description": "", "version": 1}),
    ]


async def test_only_authors_write_and_only_administrators_those_of_the_system(
    client_with, access_token, author
) -> None:
    reader = client_with(access_token(role="user"))
    await saved(reader, "PUT", f"{SNIPPETS}/footer", {"content": "x"}, status=403)
    await saved(author, "POST", SNIPPETS, {"name": "system.base", "content": "x"}, status=201)
