"""Hostile templates are refused on saving, quickly, and nothing ever is a 5xx."""

import json
import time

import pytest

TEMPLATES = "/api/v1/templates"
PARTS = {"content": "content", "subject": "subject", "text": "text", "title": "title", "body": "body"}
HOSTILE = [
    "{{ ''.__class__ }}",
    "{{ 7*7 }}",
    "{% include 'secrets' %}",
    "{% render 'secrets' %}",
    "{% for a in (1..100000) %}{% for b in (1..100000) %}x{% endfor %}{% endfor %}",
    "{{ 'a' * 1000000000 }}",
    "{{ name",
    "{% if name %}",
    "{% nonsense %}",
]


@pytest.mark.parametrize("source", HOSTILE)
@pytest.mark.parametrize("part", ["content", "subject", "text", "title"])
async def test_a_hostile_template_is_refused_on_saving(admin, part, source) -> None:
    template = {"code": "hostile", "name": "Hostile", "content": "fine", part: source}
    began = time.monotonic()
    answer = await admin.post(TEMPLATES, json=template)
    assert time.monotonic() - began < 5
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_template")
    assert [problem["field"] for problem in answer.json()["data"]["errors"]] == [part]


async def test_a_link_that_runs_code_is_refused_on_saving(admin) -> None:
    answer = await admin.post(TEMPLATES, json={"code": "t", "name": "T", "title": "T", "link": "javascript:alert(1)"})
    assert (answer.status_code, answer.json()["data"]["errors"][0]["field"]) == (422, "link")


@pytest.mark.parametrize(
    "field", ["name", "description", "subject", "content", "text", "title", "body", "image", "link", "language"]
)
@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
async def test_text_that_cannot_be_stored_is_refused(admin, welcome, field, text) -> None:
    body = json.dumps({**welcome, field: text})
    answer = await admin.post(TEMPLATES, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["data"]["errors"]] == [field]


@pytest.mark.parametrize("name", ["x\r\nBcc: v@e.f", "a\x1bb", "x" * 201])
async def test_a_name_is_one_short_line(admin, welcome, name) -> None:
    assert (await admin.post(TEMPLATES, json={**welcome, "name": name})).status_code == 422


@pytest.mark.parametrize("part", [*PARTS, "image", "link"])
async def test_a_part_is_bounded(admin, welcome, part) -> None:
    for text in ("x" * (256 * 1024 + 1), "é" * (128 * 1024 + 1)):
        answer = await admin.post(TEMPLATES, json={**welcome, part: text})
        assert answer.status_code == 422
        assert [problem["field"] for problem in answer.json()["data"]["errors"]] == [part]


async def test_the_largest_part_is_taken(admin, welcome) -> None:
    assert (await admin.post(TEMPLATES, json={**welcome, "text": "x" * 256 * 1024})).status_code == 201


async def test_a_body_over_the_limit_is_refused_with_and_without_its_length(admin) -> None:
    async def chunks():
        for _ in range(50):
            yield b"x" * 1_048_576

    assert (await admin.post(TEMPLATES, content=b"x" * 2_000_000)).status_code == 413
    assert (await admin.post(TEMPLATES, content=chunks())).status_code == 413


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000])
async def test_a_body_that_is_no_template_is_refused(admin, body) -> None:
    for method, path in (("POST", ""), ("PUT", "/x"), ("PATCH", "/x"), ("POST", "/x/render"), ("POST", "/render")):
        answer = await admin.request(
            method, f"{TEMPLATES}{path}", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in {400, 422}
        assert answer.json()["success"] is False
