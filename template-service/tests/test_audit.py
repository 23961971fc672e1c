"""Every change of a template is in the audit trail, in the transaction of the change."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chassis.audit import AuditEvent, AuditQuestion
from chassis.postgres.database import Database
from template_service.models import Base
from template_service.repositories.audit import TRAIL

TEMPLATES = "/api/v1/templates"
WELCOME = f"{TEMPLATES}/welcome_email"
PERSON = str(uuid4())

# action, request (method, path, body), and what differs afterwards
CASES = [
    (
        "template.created",
        "POST",
        TEMPLATES,
        {"code": "other", "name": "Other", "content": "Hi"},
        {},
        {"name", "default_language", "active", "description"},
    ),
    (
        "template.created",
        "POST",
        TEMPLATES,
        {"code": "welcome_email", "name": "W", "content": "Hallo", "language": "de"},
        {"active": {"en": 1}},
        {"active"},
    ),
    (
        "template.changed",
        "PATCH",
        WELCOME,
        {"name": "New", "description": "New"},
        {"name": "Welcome", "description": "Sent to new users"},
        {"name", "description"},
    ),
    ("template.changed", "PATCH", WELCOME, {"content": "Hi"}, {"active": {"en": 1}}, {"active"}),
    ("template.changed", "PUT", WELCOME, {"content": "Hi"}, {"active": {"en": 1}}, {"active"}),
    ("template.activated", "POST", f"{WELCOME}/versions/1/activate", None, {"active": {"en": 2}}, {"active"}),
    ("template.archived", "DELETE", WELCOME, None, None, set()),
]
EACH = pytest.mark.parametrize(("action", "method", "path", "body", "before", "after"), CASES)


@pytest.fixture
async def database(database_url: str):
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def editor(client_with, access_token, welcome):
    client = client_with(access_token(role="admin", sub=PERSON))
    await client.post(TEMPLATES, json=welcome)
    return client


async def trail(database: Database, **question: object) -> list[AuditEvent]:
    async with database.begin() as connection:
        return list((await TRAIL.find(connection, AuditQuestion(**question))).events)


async def rows(database: Database) -> dict[str, list[str]]:
    async with database.begin() as connection:
        return {
            table.name: sorted(
                (await connection.execute(text(f"SELECT to_jsonb(t)::text FROM {table.name} t"))).scalars()
            )
            for table in Base.metadata.sorted_tables
            if table.name != "template_audit_events"
        }


@EACH
async def test_what_changes_a_template_is_recorded(  # noqa: PLR0917
    database, editor, action: str, method: str, path: str, body, before, after
) -> None:
    if action == "template.activated":
        await editor.patch(WELCOME, json={"content": "second"})
    assert (await editor.request(method, path, json=body)).is_success
    event = (await trail(database))[0]
    code = (body or {}).get("code", "welcome_email")
    assert (event.actor, event.action, event.target) == (f"user:{PERSON}", action, f"template:{code}")
    assert event.address
    assert before is None or event.before == before
    assert event.after.keys() == after


@EACH
async def test_without_its_event_nothing_changes(  # noqa: PLR0917
    database, editor, action: str, method: str, path: str, body, before, after
) -> None:
    if action == "template.activated":
        await editor.patch(WELCOME, json={"content": "second"})
    there = await rows(database)
    async with database.begin() as connection:
        await connection.execute(text("ALTER TABLE template_audit_events RENAME TO taken_away"))
    try:
        assert (await editor.request(method, path, json=body)).status_code == 500
    finally:
        async with database.begin() as connection:
            await connection.execute(text("ALTER TABLE taken_away RENAME TO template_audit_events"))
    assert await rows(database) == there


async def test_what_is_refused_or_changes_nothing_is_no_event(database, editor, welcome) -> None:
    await editor.patch(WELCOME, json={"name": "Welcome"})
    assert (await editor.post(TEMPLATES, json=welcome)).status_code == 409
    assert (await editor.post(f"{WELCOME}/versions/9/activate")).status_code == 404
    assert [one.action for one in await trail(database)] == ["template.created"]


async def test_who_may_not_change_templates_and_tries_is_recorded(database, client_with, access_token) -> None:
    stranger = client_with(access_token(role="user", sub=PERSON))
    for _ in range(3):
        assert (await stranger.delete(WELCOME)).status_code == 403
    [event] = await trail(database)
    assert (event.actor, event.action, event.target) == (
        f"user:{PERSON}",
        "access.refused",
        "route:DELETE /api/v1/templates/{code}",
    )


async def test_the_gateway_asks_for_events(service, editor) -> None:
    answer = await service.get("/internal/audit", params={"target": "template:welcome_email"})
    [event] = answer.json()["data"]["events"]
    assert (UUID(event["id"]).version, event["action"]) == (7, "template.created")
    assert (await editor.get("/internal/audit")).status_code == 401
