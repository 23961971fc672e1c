"""What an older release saved can be pushed, although that release did not say so."""

import pytest

from chassis.database import Database

PARTS = "subject, html, text, title, body, image, link, required, serves_email, serves_push"
SELECTED = "SELECT id, 'en', 1"
OLD = {
    "mail": ("'Hi {{ name }}', '<p>x', '', '', '', '', '', '{name}', true, false", ["email", "push"]),
    "push": ("'', '', '', 'T', 'B', '', '', '{}', false, true", ["push"]),
    "both": ("'S', '<p>x', '', 'T', '', '', '', '{}', true, true", ["email", "push"]),
}


@pytest.mark.parametrize("code", OLD)
async def test_an_older_version_serves_what_it_can(admin, service, database_url, code: str) -> None:
    values, channels = OLD[code]
    database = Database(database_url)
    async with database.begin() as connection:
        for statement in (
            f"INSERT INTO templates (code, name, default_language) VALUES ('{code}', 'T', 'en')",
            "INSERT INTO template_languages SELECT id, 'en', 1, 1 FROM templates",
            f"INSERT INTO template_versions (template_id, language, version, {PARTS}) {SELECTED}, {values} FROM templates",
        ):
            await connection.exec_driver_sql(statement)
    await database.close()
    assert (await admin.get(f"/api/v1/templates/{code}")).json()["data"]["channels"] == channels
    listed = (await admin.get("/api/v1/templates?channel=push")).json()["data"]
    assert [(one["code"], one["channels"]) for one in listed] == [(code, channels)]
    active = (await service.get(f"/internal/templates/{code}/active")).json()["data"]["languages"]["en"]
    assert (active["serves_email"], active["serves_push"]) == ("email" in channels, True)
