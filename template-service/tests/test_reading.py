"""GET /templates and /templates/{code}: languages, versions, pages, filters."""

import pytest

TEMPLATES = "/api/v1/templates"


@pytest.fixture
async def greeting(admin, welcome) -> None:
    for language in ("en", "pt", "pt-BR"):
        await admin.post(TEMPLATES, json={**welcome, "code": "greeting", "language": language, "subject": language})


@pytest.mark.parametrize(
    ("requested", "given"),
    [
        ("", "en"),
        ("pt-BR", "pt-BR"),
        ("pt-PT", "pt"),
        ("PT-br", "pt-BR"),
        ("fr", "en"),
        ("fr-CA", "en"),
        ("en-GB", "en"),
    ],
)
async def test_languages_fall_back_to_their_base_and_then_to_the_default(admin, greeting, requested, given) -> None:
    params = {"language": requested} if requested else {}
    data = (await admin.get(f"{TEMPLATES}/greeting", params=params)).json()["data"]
    assert (data["language"], data["subject"]) == (given, given)


async def test_the_default_language_can_be_changed(admin, greeting) -> None:
    changed = await admin.patch(f"{TEMPLATES}/greeting", json={"default_language": "pt"})
    assert changed.json()["data"]["default_language"] == "pt"
    assert (await admin.get(f"{TEMPLATES}/greeting?language=fr")).json()["data"]["language"] == "pt"


async def test_a_default_language_must_be_there(admin, greeting) -> None:
    answer = await admin.patch(f"{TEMPLATES}/greeting", json={"default_language": "fr"})
    assert answer.status_code == 422
    assert answer.json()["data"]["errors"][0]["field"] == "default_language"


async def test_an_old_version_can_be_read(admin, greeting) -> None:
    await admin.put(f"{TEMPLATES}/greeting", json={"content": "second"})
    old = (await admin.get(f"{TEMPLATES}/greeting?version=1")).json()["data"]
    assert (old["subject"], old["version"], old["active_version"]) == ("en", 1, 2)
    answer = await admin.get(f"{TEMPLATES}/greeting?version=3")
    assert (answer.status_code, answer.json()["error"]) == (404, "version_not_found")


@pytest.mark.parametrize("code", ["nothing", "UPPER", "a%00b", "a%20b", "%F0%9F%98%80", "x" * 500, "..%2f..%2fetc"])
async def test_an_unknown_template_is_404(admin, code) -> None:
    answer = await admin.get(f"{TEMPLATES}/{code}")
    assert answer.status_code == 404


@pytest.mark.parametrize("query", ["language=xx!", "language=a%00", "version=0", "version=x", f"version={10**20}"])
async def test_a_query_has_its_form(admin, greeting, query) -> None:
    assert (await admin.get(f"{TEMPLATES}/greeting?{query}")).status_code == 422


async def test_lists_come_in_pages(admin, welcome) -> None:
    for number in range(5):
        await admin.post(TEMPLATES, json={**welcome, "code": f"t{number}"})
    answer = (await admin.get(TEMPLATES, params={"page": 2, "limit": 2})).json()
    assert [template["code"] for template in answer["data"]] == ["t2", "t3"]
    assert answer["meta"] == {
        "total": 5,
        "limit": 2,
        "page": 2,
        "total_pages": 3,
        "has_next": True,
        "has_previous": True,
    }
    assert (await admin.get(TEMPLATES, params={"page": 1_000_000})).json()["data"] == []


@pytest.mark.parametrize(
    "query", ["limit=1000000000", "limit=0", "page=0", "page=10000000000000000000", "search=a%00", "channel=sms"]
)
async def test_a_list_is_bounded(admin, query) -> None:
    assert (await admin.get(f"{TEMPLATES}?{query}")).status_code == 422


async def test_lists_are_filtered(admin, welcome, greeting) -> None:
    await admin.post(TEMPLATES, json={"code": "order", "name": "Your order 100%", "title": "T", "language": "fr"})
    await admin.post(TEMPLATES, json={**welcome, "code": "gone"})
    await admin.delete(f"{TEMPLATES}/gone")

    async def codes(**params: str) -> list[str]:
        return [template["code"] for template in (await admin.get(TEMPLATES, params=params)).json()["data"]]

    assert await codes() == ["greeting", "order"]
    assert await codes(search="ORD") == ["order"]
    assert await codes(search="%") == ["order"]  # a character, not a wildcard
    assert await codes(search="new users") == ["greeting"]
    assert await codes(search="gone") == []
    assert await codes(language="pt-br") == ["greeting"]
    assert await codes(channel="push") == ["greeting", "order"]
    await admin.patch(f"{TEMPLATES}/greeting?language=en", json={"channels": ["email"]})
    assert await codes(channel="email") == ["greeting"]
    assert await codes(channel="push", language="en") == []


async def test_a_list_says_what_each_template_serves(admin, greeting) -> None:
    await admin.patch(f"{TEMPLATES}/greeting?language=pt", json={"title": "Olá"})
    (listed,) = (await admin.get(TEMPLATES)).json()["data"]
    assert listed["languages"] == ["en", "pt", "pt-BR"]
    assert listed["channels"] == ["email", "push"]
    assert "content" not in listed
