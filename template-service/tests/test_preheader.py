"""The preheader: first in the body, hidden, escaped, and not in the text."""

import html5lib
import pytest

from template_service.authoring.preheader import with_preheader

TEMPLATES = "/api/v1/templates"
BODY = {
    "code": "news",
    "name": "News",
    "content": "<p>The body, {{ name }}</p>",
    "preheader": "For {{ name }}: 1 < 2 & 3",
}


async def rendered(admin, **variables: str) -> dict[str, str]:
    answer = await admin.post(f"{TEMPLATES}/news/render", json={"variables": variables})
    return answer.json()["data"]["email"]


async def test_it_is_rendered_first_hidden_and_escaped(admin) -> None:
    created = (await admin.post(TEMPLATES, json=BODY)).json()["data"]
    assert (created["preheader"], created["content"]) == (BODY["preheader"], BODY["content"])
    mail = await rendered(admin, name="<b>Ada")
    body = html5lib.parse(mail["html"], namespaceHTMLElements=False).find("body")
    first = body[0]
    assert first.text.startswith("For <b>Ada: 1 < 2 & 3\N{COMBINING GRAPHEME JOINER}")
    assert "display:none" in first.get("style")
    assert body[1].text == "The body, <b>Ada"


async def test_neither_the_text_part_nor_a_push_has_it(admin) -> None:
    await admin.post(TEMPLATES, json=BODY)
    data = (await admin.post(f"{TEMPLATES}/news/render", json={"variables": {"name": "Ada"}})).json()["data"]
    assert data["email"]["text"] == data["push"]["body"] == "The body, Ada"


async def test_its_variables_are_required(admin) -> None:
    created = await admin.post(TEMPLATES, json=BODY | {"preheader": "{{ teaser }}"})
    assert created.json()["data"]["variables"] == ["name", "teaser"]


async def test_put_removes_it_and_patch_keeps_it(admin) -> None:
    await admin.post(TEMPLATES, json=BODY)
    patched = (await admin.patch(f"{TEMPLATES}/news", json={"subject": "s"})).json()["data"]
    assert patched["preheader"] == BODY["preheader"]
    changed = (await admin.patch(f"{TEMPLATES}/news", json={"preheader": "New"})).json()["data"]
    assert (changed["preheader"], changed["version"]) == ("New", 3)
    replaced = (await admin.put(f"{TEMPLATES}/news", json={"content": BODY["content"]})).json()["data"]
    assert replaced["preheader"] == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preheader": "{% if a %}"}, "if"),
        ({"preheader": "{{ a | unknown }}"}, "unknown"),
        ({"content": "just text"}, "needs a content with HTML"),
        ({"content": None, "text": "just text"}, "needs a content with HTML"),
        ({"preheader": "x" * 2_001}, "2000"),
    ],
)
async def test_what_cannot_work_is_a_422_about_the_preheader(admin, change, message) -> None:
    answer = await admin.post(TEMPLATES, json=BODY | change)
    assert answer.status_code == 422
    (problem,) = answer.json()["data"]["errors"]
    assert problem["field"] == "preheader"
    assert message in problem["message"]


@pytest.mark.parametrize(
    ("html", "before"),
    [
        ("<p>x", ""),
        ("<!DOCTYPE html><p>x", "<!DOCTYPE html>"),
        ("<html><head><title>a</title></head><body class='{{ a }}' data-x='>'><p>x", "data-x='>'>"),
        ("<html><head></head><p>x", "</head>"),
        ("<!--[if mso]><body><![endif]--><body id=b><p>x", "<body id=b>"),
        ("{% if a > 1 %}<body>{% endif %}<p>x", "<body>"),
    ],
)
def test_it_is_put_at_the_beginning_of_the_body(html, before) -> None:
    done = with_preheader(html, "Hello")
    start = done.index("<div style=")
    assert done[:start].endswith(before)
    assert done[:start] + done[done.index("</div>") + len("</div>") :] == html
