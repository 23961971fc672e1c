"""The purpose of a template's e-mails."""

import pytest

TEMPLATES = "/api/v1/templates"
BODY = {"code": "news", "name": "News", "content": "<p>Hello {{ name }}</p>", "purpose": "newsletter"}


async def test_it_belongs_to_the_version_and_stays_until_it_is_changed(admin) -> None:
    created = (await admin.post(TEMPLATES, json=BODY)).json()["data"]
    assert created["purpose"] == "newsletter"
    patched = (await admin.patch(f"{TEMPLATES}/news", json={"subject": "Hi"})).json()["data"]
    assert patched["purpose"] == "newsletter"
    changed = (await admin.patch(f"{TEMPLATES}/news", json={"purpose": None})).json()["data"]
    assert changed["purpose"] is None
    first = (await admin.get(f"{TEMPLATES}/news?version=1")).json()["data"]
    assert first["purpose"] == "newsletter"


async def test_without_one_a_template_is_transactional(admin) -> None:
    created = (await admin.post(TEMPLATES, json={**BODY, "purpose": None})).json()["data"]
    assert created["purpose"] is None


@pytest.mark.parametrize("bad", ["", "News Letter", "a" * 65, "\u00e9", 1, ["newsletter"]])
async def test_what_is_no_purpose_is_refused(admin, bad) -> None:
    answer = await admin.post(TEMPLATES, json={**BODY, "purpose": bad})
    assert answer.status_code == 422
    assert {one["field"] for one in answer.json()["data"]["errors"]} == {"purpose"}
