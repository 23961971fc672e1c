"""The links in e-mails that unsubscribe."""

from uuid import UUID

import pytest

from chassis.audit import AuditQuestion
from chassis.security.service_keys import development_key
from contracts.services import EMAIL_SERVICE, PUSH_SERVICE
from contracts.unsubscribing import Unsubscription, unsubscribe_token


def link(user_id: UUID, purpose: str = "newsletter", service: str = EMAIL_SERVICE) -> str:
    token = unsubscribe_token(development_key(service), Unsubscription(user_id, purpose))
    return f"/api/v1/unsubscribe/{token}"


async def unsubscribed(user) -> list[str]:
    return (await user.call("GET", f"{user.path}/preferences")).json()["data"]["unsubscribed"]


async def test_a_scanner_that_opens_the_link_changes_nothing(world) -> None:
    user = await world.user()
    page = await world.http.get(link(UUID(user.id)))
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "newsletter" in page.text
    assert '<form method="post">' in page.text
    assert await unsubscribed(user) == []


async def test_one_click_unsubscribes_from_that_purpose_alone_and_may_be_repeated(world) -> None:
    user, other = await world.user(), await world.user()
    for _ in range(2):
        done = await world.http.post(link(UUID(user.id)), data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 200
    await world.http.post(link(UUID(user.id), "offers"))
    assert await unsubscribed(user) == ["newsletter", "offers"]
    assert await unsubscribed(other) == []
    found = await world.app.state.services.lookups.find(UUID(user.id))
    assert found["preferences"] == {"email": True, "push": True, "unsubscribed": ["newsletter", "offers"]}


async def test_a_user_may_subscribe_again_and_other_changes_leave_it(world) -> None:
    user = await world.user()
    await world.http.post(link(UUID(user.id)))
    await user.call("PUT", f"{user.path}/preferences", json={"email": True, "push": False})
    assert await unsubscribed(user) == ["newsletter"]
    answer = await user.call("PATCH", f"{user.path}/preferences", json={"unsubscribed": []})
    assert answer.json()["data"] == {"email": True, "push": False, "unsubscribed": []}


@pytest.mark.parametrize("path", ["x", "A" * 120, "A" * 250])
async def test_an_invalid_link_gets_a_page_with_the_reason(world, path) -> None:
    for method in ("GET", "POST"):
        page = await world.http.request(method, f"/api/v1/unsubscribe/{path}")
        assert (page.status_code, "not valid" in page.text) == (404, True)


async def test_only_the_email_service_makes_links(world) -> None:
    user = await world.user()
    assert (await world.http.post(link(UUID(user.id), service=PUSH_SERVICE))).status_code == 404
    assert await unsubscribed(user) == []


async def test_a_deleted_user_gets_the_same_answer(world) -> None:
    user = await world.user()
    await user.call("DELETE", user.path)
    assert (await world.http.post(link(UUID(user.id)))).status_code == 200


async def test_the_page_shows_a_purpose_as_text(world) -> None:
    user = await world.user()
    page = await world.http.get(link(UUID(user.id), "<script>"))
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text


async def test_it_is_in_the_audit_trail_as_a_strangers_act(world) -> None:
    user = await world.user()
    await world.http.post(link(UUID(user.id)))
    async with world.database.begin() as connection:
        [event] = (await world.audit.find(connection, AuditQuestion(action="user.changed"))).events
    assert (event.actor, event.target) == ("anonymous", f"user:{user.id}")
    assert event.after == {"unsubscribed": ["newsletter"]}
