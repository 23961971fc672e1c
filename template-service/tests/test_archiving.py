"""DELETE archives: readers find nothing, messages in flight still find their version, and a code can come back."""

TEMPLATES = "/api/v1/templates"
WELCOME = f"{TEMPLATES}/welcome_email"
INTERNAL = "/internal/templates/welcome_email"


async def test_an_archived_template_is_gone_for_readers(admin, service, welcome) -> None:
    await admin.post(TEMPLATES, json=welcome)
    assert (await admin.delete(WELCOME)).status_code == 200
    for path in (WELCOME, f"{WELCOME}?version=1", f"{WELCOME}/versions"):
        assert (await admin.get(path)).status_code == 404
    assert (await admin.post(f"{WELCOME}/versions/1/activate")).status_code == 404
    assert (await admin.post(f"{WELCOME}/render", json={})).status_code == 404
    assert (await admin.patch(WELCOME, json={"name": "X"})).status_code == 404
    assert (await admin.delete(WELCOME)).status_code == 404
    assert (await service.get(INTERNAL)).status_code == 404
    assert (await service.get(f"{INTERNAL}/active")).status_code == 404


async def test_a_message_in_flight_still_finds_its_version(admin, service, welcome) -> None:
    await admin.post(TEMPLATES, json=welcome)
    await admin.delete(WELCOME)
    await admin.post(TEMPLATES, json={**welcome, "content": "new"})
    data = (await service.get(f"{INTERNAL}?language=en&version=1")).json()["data"]
    assert data["html"] == welcome["content"]


async def test_a_code_comes_back_with_the_next_number_and_only_the_new_language(admin, service, welcome) -> None:
    await admin.post(TEMPLATES, json=welcome)
    await admin.post(TEMPLATES, json={**welcome, "language": "pt"})
    await admin.delete(WELCOME)
    revived = await admin.post(TEMPLATES, json={**welcome, "name": "Again", "language": "pt", "content": "de novo"})
    assert revived.status_code == 201
    data = revived.json()["data"]
    assert (data["name"], data["version"], data["languages"], data["default_language"]) == ("Again", 2, ["pt"], "pt")
    active = (await service.get(f"{INTERNAL}/active")).json()["data"]
    assert list(active["languages"]) == ["pt"]


async def test_a_language_from_before_can_be_taken_into_use_again(admin, welcome) -> None:
    await admin.post(TEMPLATES, json=welcome)
    await admin.delete(WELCOME)
    await admin.post(TEMPLATES, json={**welcome, "language": "pt"})
    data = (await admin.post(f"{WELCOME}/versions/1/activate?language=en")).json()["data"]
    assert (data["languages"], data["language"]) == (["en", "pt"], "en")
