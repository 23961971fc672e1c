"""Versions of an older release, which recorded no channels, can be pushed and report the variables of each channel."""

from typing import Any

import pytest

from chassis.postgres.database import Database
from template_service.main import create_app
from testkit.eventually import eventually

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
    await _save(database_url, code, values)
    assert (await admin.get(f"/api/v1/templates/{code}")).json()["data"]["channels"] == channels
    listed = (await admin.get("/api/v1/templates?channel=push")).json()["data"]
    assert [(one["code"], one["channels"]) for one in listed] == [(code, channels)]
    active = (await service.get(f"/internal/templates/{code}/active")).json()["data"]["languages"]["en"]
    assert (active["serves_email"], active["serves_push"]) == ("email" in channels, True)


@pytest.mark.parametrize(
    ("values", "needed"),
    [
        ("'{{ name }}', '<a href=\"{{ link }}\">x</a>', '', 'T', 'B {{ name }}', '', '', '{link,name}', true, true",
         {"email": ["link", "name"], "push": ["name"]}),
        ("'', '{{ a | nosuchfilter }}', '', 'T', 'B', '', '', '{a}', true, true", {"email": ["a"], "push": ["a"]}),
    ],
    ids=["compiles", "no longer compiles"],
)  # fmt: skip
async def test_a_starting_service_finds_out_what_each_channel_of_an_older_version_needs(
    settings, redis, client_with, service_token, values: str, needed: dict[str, list[str]]
) -> None:
    await _save(settings.database_url, "old", values)
    app = create_app(settings, redis=redis)
    client = client_with(service_token(), app)

    async def info() -> dict[str, Any]:
        return (await client.get("/internal/templates/old/active")).json()["data"]["languages"]["en"]

    async with app.router.lifespan_context(app):
        known = await eventually(info, 10, until=lambda found: found["required_by_channel"])
    assert known["required_by_channel"] == needed
    assert known["push_size"]["bounded"] == ("name" in needed["push"])


async def _save(database_url: str, code: str, values: str) -> None:
    """As a release that knew neither `channels` nor `required_by_channel` wrote it."""
    database = Database(database_url)
    async with database.begin() as connection:
        for statement in (
            f"INSERT INTO templates (code, name, default_language) VALUES ('{code}', 'T', 'en')",
            "INSERT INTO template_languages SELECT id, 'en', 1, 1 FROM templates",
            f"INSERT INTO template_versions (template_id, language, version, {PARTS}) {SELECTED}, {values} FROM templates",
        ):
            await connection.exec_driver_sql(statement)
    await database.close()
