"""Seeding leaves what is there alone."""

from template_service.services.drafts import NewTemplate
from template_service.services.seeding import ensure_template

WELCOME = NewTemplate("welcome_email", "Welcome", "", "en", {"html": "<p>Hello {{ name }}</p>"})


async def test_a_template_is_seeded_once(app, admin) -> None:
    assert await ensure_template(app.state.writer, WELCOME) is True
    await admin.patch("/api/v1/templates/welcome_email", json={"subject": "Ours"})
    assert await ensure_template(app.state.writer, WELCOME) is False
    data = (await admin.get("/api/v1/templates/welcome_email")).json()["data"]
    assert (data["subject"], data["version"]) == ("Ours", 2)
