"""The templates of the system's own mails exist, and changes of them are kept."""

import pytest

from contracts.system_mails import ADDRESS_CHANGED, PASSWORD_RESET
from contracts.templates import TemplateQuestion
from template_service.main import create_app
from template_service.services.system_templates import SYSTEM_TEMPLATES, ensure_system_templates
from testkit.eventually import eventually

CODES = tuple(template.code for template in SYSTEM_TEMPLATES)


async def test_the_systems_own_templates_come_back_and_stay_as_they_were_changed(app, admin) -> None:
    await ensure_system_templates(app.state.reader, app.state.writer)
    await admin.patch(f"/api/v1/templates/{PASSWORD_RESET}", json={"subject": "Ours"})
    await admin.delete(f"/api/v1/templates/{ADDRESS_CHANGED}")
    await ensure_system_templates(app.state.reader, app.state.writer)
    active = (await app.state.reader.findings(TemplateQuestion(active=CODES))).active
    assert set(active) == set(CODES)
    data = (await admin.get(f"/api/v1/templates/{PASSWORD_RESET}")).json()["data"]
    assert (data["subject"], data["version"]) == ("Ours", 2)


@pytest.mark.parametrize("code", CODES)
async def test_they_show_the_link_or_the_token(app, admin, code) -> None:
    await ensure_system_templates(app.state.reader, app.state.writer)
    link = "https://example.com/account#action=x&token=abc"
    for given in ({"link": link, "token": "abc"}, {"link": "", "token": "abc"}):
        variables = {**given, "valid_hours": "1"}
        answer = await admin.post(f"/api/v1/templates/{code}/render", json={"variables": variables})
        assert answer.status_code == 200, answer.text
        text = answer.json()["data"]["email"]["text"]
        assert (link in text, "\nabc\n" in text) == (given["link"] != "", given["link"] == ""), text


async def test_a_notice_may_have_no_token(app, admin) -> None:
    await ensure_system_templates(app.state.reader, app.state.writer)
    variables = {"link": "", "token": "", "valid_hours": ""}
    answer = await admin.post(f"/api/v1/templates/{ADDRESS_CHANGED}/render", json={"variables": variables})
    assert "token" not in answer.json()["data"]["email"]["text"]


async def test_the_service_makes_them_at_its_start(settings, redis) -> None:
    app = create_app(settings, redis=redis)
    async with app.router.lifespan_context(app):
        found = await eventually(
            lambda: app.state.reader.findings(TemplateQuestion(active=CODES)),
            60,
            until=lambda found: len(found.active) == len(CODES),
        )
    assert set(found.active) == set(CODES)
