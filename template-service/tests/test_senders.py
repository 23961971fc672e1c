"""The sender of a template's e-mails: part of its versions, and only of the deployment's domains."""

import pytest

from template_service.settings import TemplateSettings

TEMPLATES = "/api/v1/templates"
BILLING = {"from_name": "Billing", "from_email": "billing@example.com", "reply_to": "help@other.example"}


@pytest.fixture
def settings(settings: TemplateSettings) -> TemplateSettings:
    return settings.model_copy(update={"sender_domains": ("example.com",)})


async def test_a_sender_is_versioned_kept_changed_and_removed(admin, service, welcome) -> None:
    made = (await admin.post(TEMPLATES, json={**welcome, "sender": BILLING})).json()["data"]
    assert (made["sender"], made["version"]) == (BILLING, 1)
    path = f"{TEMPLATES}/welcome_email"
    kept = (await admin.put(path, json={"content": "<p>new</p>"})).json()["data"]
    assert (kept["sender"], kept["version"]) == (BILLING, 2)
    changed = (await admin.patch(path, json={"sender": {"from_name": "Bills"}})).json()["data"]
    assert (changed["sender"], changed["version"]) == (
        {"from_name": "Bills", "from_email": None, "reply_to": None},
        3,
    )
    removed = (await admin.patch(path, json={"sender": None})).json()["data"]
    assert (removed["sender"], removed["version"]) == (None, 4)
    for version, sender in ((2, BILLING), (4, None)):
        found = await service.get(f"/internal/templates/welcome_email?language=en&version={version}")
        assert found.json()["data"]["sender"] == sender


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_an_address_of_another_domain_is_refused(admin, welcome, method: str) -> None:
    await admin.post(TEMPLATES, json=welcome)
    body = {"content": "x", "sender": {"from_email": "billing@elsewhere.example.org"}}
    path = TEMPLATES if method == "POST" else f"{TEMPLATES}/welcome_email"
    answer = await admin.request(method, path, json={**welcome, "code": "other", **body} if method == "POST" else body)
    assert (answer.status_code, answer.json()["error"]) == (422, "sender_domain_not_allowed")


@pytest.mark.parametrize(
    "sender",
    [{"from_name": "two\nlines"}, {"from_email": "a@example.com, b@example.com"}, {"reply_to": "ü@example.com"}],
)
async def test_what_no_header_can_carry_is_refused(admin, welcome, sender: dict[str, str]) -> None:
    answer = await admin.post(TEMPLATES, json={**welcome, "sender": sender})
    assert answer.status_code == 422
    assert answer.json()["data"]["errors"][0]["field"].startswith("sender.")
