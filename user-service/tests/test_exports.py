"""The export of everything about a person, for that person only."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from chassis.audit import AuditQuestion
from contracts.erasing import ExportedNotification, ExportFindings
from contracts.status import Status

CONTACT = {"name": "Zoe", "email": "zoe@example.com"}
SENT = ExportedNotification(
    notification_id=uuid4(), notification_type="email", template_code="welcome", language="en", status=Status.SENT, code=None,
    detail=None, variables='{"z":1.10,"a":12345678901234567890123}', recipient='{"name":"Zoe","email":"zoe@example.com"}',
    created_at=datetime.now(UTC), queued_at=None, sent_at=datetime.now(UTC), ended_at=None,
)  # fmt: skip


@pytest.fixture
async def world(make_world, gateway):
    gateway.exported = ExportFindings(notifications=(SENT,), more=True)
    return await make_world(api_gateway_url=gateway.url)


async def test_a_person_gets_all_of_it_as_it_came_page_by_page(world, gateway) -> None:
    person = await world.user(name="Zoe", push_token="device-1")
    answered = await person.call("GET", f"{person.path}/export?limit=1")
    export = answered.json()["data"]
    assert (export["user"]["id"], export["user"]["email"]) == (person.id, person.email)
    assert [device["token"] for device in export["devices"]] == ["device-1"]
    assert len(export["sessions"]) == 1
    assert '"variables":{"z":1.10,"a":12345678901234567890123}' in answered.text, "every digit"
    assert export["notifications"][0]["recipient"] == {"name": "Zoe", "email": "zoe@example.com"}
    assert export["next_cursor"] == str(SENT.notification_id)
    gateway.exported = ExportFindings(notifications=(), more=False)
    last = await person.call("GET", f"{person.path}/export?cursor={export['next_cursor']}")
    assert (last.json()["data"]["notifications"], last.json()["data"]["next_cursor"]) == ([], None)
    assert [(str(one.user_id), one.application_id, one.after, one.limit) for one in gateway.questions] == [
        (person.id, None, None, 1),
        (person.id, None, SENT.notification_id, 500),
    ]
    async with world.database.begin() as connection:
        events = (await world.audit.find(connection, AuditQuestion(action="user.exported"))).events
    assert [(event.actor, event.target) for event in events] == [(f"user:{person.id}",) * 2], "once an export"


async def test_an_administrator_gets_a_person_s_applications_too(world) -> None:
    key = await world.api_key("users:read")
    admin = await world.admin()
    export = (await admin.call("GET", f"{key.owner.path}/export")).json()["data"]
    assert [one["id"] for one in export["applications"]] == [key.application_id]


async def test_an_application_gets_what_it_sent_to_a_contact_of_its_own_and_nothing_of_others(world, gateway) -> None:
    key, other = await world.api_key("users:write", "users:read"), await world.api_key("users:read")
    contact = (await key.call("POST", "/api/v1/users", json=CONTACT)).json()["data"]
    path = f"/api/v1/users/{contact['id']}/export"
    assert (await key.call("GET", path)).json()["data"]["user"]["email"] == CONTACT["email"]
    assert [str(one.application_id) for one in gateway.questions] == [key.application_id]
    person = await world.user()
    missing = (await other.call("GET", f"/api/v1/users/{uuid4()}/export")).json()
    for who, where in ((other, path), (key, f"{person.path}/export"), (await world.user(), f"{person.path}/export")):
        refused = await who.call("GET", where)
        assert (refused.status_code, refused.json()) == (404, missing)
    assert len(gateway.questions) == 1, "nothing was asked for them"


async def test_without_the_gateway_it_is_unavailable(make_world) -> None:
    person = await (await make_world()).user()
    refused = await person.call("GET", f"{person.path}/export")
    assert (refused.status_code, refused.json()["error"]) == (503, "dependency_unavailable")
