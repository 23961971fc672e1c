"""What the gateway and the workers get, in the form of the contract."""

import pytest

from contracts.messages import TemplateRef
from contracts.templates import (
    MAX_TEMPLATE_QUESTION,
    MAX_WHOLE_TEMPLATES,
    ActiveTemplate,
    TemplateFindings,
    TemplateInfo,
)

TEMPLATES = "/api/v1/templates"
INTERNAL = "/internal/templates/welcome_email"


@pytest.fixture(autouse=True)
async def created(admin, welcome) -> None:
    await admin.post(TEMPLATES, json=welcome)
    await admin.post(TEMPLATES, json={**welcome, "language": "pt", "content": "Olá {{ nome }}", "title": "T"})


async def test_the_active_version_comes_in_the_closest_language(service, welcome) -> None:
    info = TemplateInfo.model_validate((await service.get(f"{INTERNAL}?language=pt-BR")).json()["data"])
    assert (info.code, info.language, info.version, info.html) == ("welcome_email", "pt", 1, "Olá {{ nome }}")
    assert (info.serves_email, info.serves_push, info.required) == (True, True, ("name", "nome"))
    default = TemplateInfo.model_validate((await service.get(INTERNAL)).json()["data"])
    assert (default.language, default.html, default.subject) == ("en", welcome["content"], welcome["subject"])


async def test_a_named_version_never_changes(admin, service, welcome) -> None:
    before = (await service.get(f"{INTERNAL}?language=en&version=1")).json()["data"]
    await admin.put(f"{TEMPLATES}/welcome_email", json={"text": "other"})
    await admin.patch(f"{TEMPLATES}/welcome_email", json={"name": "Other", "default_language": "pt"})
    assert (await service.get(f"{INTERNAL}?language=en&version=1")).json()["data"] == before
    assert before["html"] == welcome["content"]


@pytest.mark.parametrize("query", ["language=en&version=2", "language=en-GB&version=1", "language=fr&version=1"])
async def test_a_named_version_is_that_one_or_none(service, query) -> None:
    assert (await service.get(f"{INTERNAL}?{query}")).status_code == 404


async def test_a_version_is_named_with_its_language(service) -> None:
    answer = await service.get(f"{INTERNAL}?version=1")
    assert (answer.status_code, answer.json()["data"]["errors"][0]["field"]) == (422, "language")


async def test_all_active_languages_come_at_once_without_their_parts(admin, service) -> None:
    await admin.patch(f"{TEMPLATES}/welcome_email?language=pt", json={"content": "Oi"})
    active = ActiveTemplate.model_validate((await service.get(f"{INTERNAL}/active")).json()["data"])
    assert (active.code, active.default_language) == ("welcome_email", "en")
    assert {language: info.version for language, info in active.languages.items()} == {"en": 1, "pt": 2}
    assert active.languages["en"].required == ("link", "name")
    assert active.languages["pt"].serves_push
    assert {info.html + info.subject + info.title for info in active.languages.values()} == {""}


async def test_an_unknown_template_is_404(service) -> None:
    for path in ("nothing", "nothing/active", "nothing?language=en&version=1"):
        answer = await service.get(f"/internal/templates/{path}")
        assert answer.status_code == 404


async def test_internal_routes_are_not_in_the_public_description(admin) -> None:
    assert not [path for path in (await admin.get("/openapi.json")).json()["paths"] if "internal" in path]


async def test_each_channel_says_what_it_alone_needs(admin, service, welcome) -> None:
    pushed = {**welcome, "title": "Hello {{ name }}", "body": "Open the app"}
    await admin.put(f"{TEMPLATES}/welcome_email", json=pushed)
    newest = (await service.get(INTERNAL)).json()["data"]
    active = (await service.get(f"{INTERNAL}/active")).json()["data"]["languages"]["en"]
    for info in (newest, active):
        assert info["required"] == ["link", "name"], "for gateway of the previous release"
        assert info["required_by_channel"] == {"email": ["link", "name"], "push": ["name"]}


async def test_a_channel_that_its_author_left_out_needs_nothing(admin, service, welcome) -> None:
    pushed = {**welcome, "title": "Hello {{ name }}", "body": "Open the app", "channels": ["push"]}
    await admin.put(f"{TEMPLATES}/welcome_email", json=pushed)
    info = (await service.get(INTERNAL)).json()["data"]
    assert (info["required"], info["required_by_channel"]) == (["name"], {"push": ["name"]})


FIND = "/internal/templates/find"


def ref(language: str, version: int, code: str = "welcome_email") -> dict[str, object]:
    return {"code": code, "language": language, "version": version}


async def test_many_templates_are_found_as_each_of_them_is(admin, service, welcome) -> None:
    await admin.post(TEMPLATES, json={**welcome, "code": "other"})
    await admin.post(TEMPLATES, json={**welcome, "code": "archived"})
    await admin.delete(f"{TEMPLATES}/archived")
    await admin.patch(f"{TEMPLATES}/welcome_email?language=pt", json={"content": "Oi"})
    refs = [ref("pt", 1), ref("pt", 2), ref("en", 1), ref("en", 1, "archived")]
    unknown = [ref("en", 2), ref("fr", 1), ref("en", 1, "none")]
    question = {"active": ["welcome_email", "other", "archived", "none"], "outlines": refs, "whole": refs + unknown}
    found = (await service.post(FIND, json=question)).json()["data"]
    TemplateFindings.model_validate(found)
    assert found["active"].keys() == {"welcome_email", "other"}
    for code, active in found["active"].items():
        assert active == (await service.get(f"/internal/templates/{code}/active")).json()["data"]
    assert found["whole"].keys() == found["outlines"].keys() == {str(TemplateRef(**one)) for one in refs}
    for one in refs:
        query = f"language={one['language']}&version={one['version']}"
        alone = (await service.get(f"/internal/templates/{one['code']}?{query}")).json()["data"]
        assert found["whole"][str(TemplateRef(**one))] == alone
        outline = TemplateInfo.model_validate(alone).without_content.model_dump(mode="json")
        assert found["outlines"][str(TemplateRef(**one))] == outline


@pytest.mark.parametrize(
    "question",
    [
        {"active": ["a\0b", "", "é", "x" * 200, "A"]},
        {"outlines": [ref("e\0n", 1), ref("", 1), ref("en", 0), ref("en", 2**31), ref("en", 2**70)]},
        {"whole": [ref("en", -1, "x y"), ref("en", 1, "\0")]},
        {},
    ],
)
async def test_invalid_template_names_are_unknown(service, question) -> None:
    answered = await service.post(FIND, json=question)
    assert answered.status_code == 200, answered.text
    assert answered.json()["data"] == {"active": {}, "outlines": {}, "whole": {}}


@pytest.mark.parametrize(
    ("name", "limit"),
    [("active", MAX_TEMPLATE_QUESTION), ("outlines", MAX_TEMPLATE_QUESTION), ("whole", MAX_WHOLE_TEMPLATES)],
)
async def test_a_question_has_its_limit(service, name, limit) -> None:
    one = "welcome_email" if name == "active" else ref("en", 1)
    found = await service.post(FIND, json={name: [one] * limit})
    assert (found.status_code, len(found.json()["data"][name])) == (200, 1)
    assert (await service.post(FIND, json={name: [one] * (limit + 1)})).status_code == 422
