"""Users and templates are looked up in groups, and missing answers are not guessed."""

import asyncio
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from starlette.responses import Response


def _uncached_users(gateway, number: int, **changes: object) -> list[dict[str, object]]:
    item = {"notification_type": "email", "template_code": "welcome", "variables": {"name": "Ada"}, **changes}
    return [{**item, "user_id": str(gateway.peers.add_user().id)} for _ in range(number)]


async def _batch(gateway, items: list[dict[str, object]]) -> dict[str, object]:
    body = {"notifications": items}
    return (await gateway.http.post("/api/v1/notifications/batch", json=body, headers=gateway.token())).json()["data"]


def _questions(gateway) -> list[str]:
    return [one for one in gateway.peers.asked if one.startswith(("users", "templates"))]


async def test_a_batch_of_a_thousand_uncached_users_and_many_templates_is_one_question_to_each_service(start) -> None:
    gateway = await start(rate_limit_per_minute=10_000)
    items = _uncached_users(gateway, 1_000)
    for number, item in enumerate(items):
        item["template_code"] = f"t{number % 100}"
        gateway.peers.add_template(code=item["template_code"])
    assert (await _batch(gateway, items))["accepted"] == 1_000
    assert _questions(gateway) == ["users 1000", "templates 100"]


async def test_versions_that_are_not_active_are_one_question_too(gateway) -> None:
    codes = [f"t{number}" for number in range(20)]
    for code in codes:
        gateway.peers.add_template(code=code, version=2)
        gateway.peers.add_template(code=code, version=3)
    items = [item | {"template_code": code} for code, item in zip(codes, _uncached_users(gateway, 20), strict=True)]
    assert (await _batch(gateway, [item | {"template_version": 2} for item in items]))["accepted"] == 20
    assert _questions(gateway) == ["users 20", "templates 20", "templates 20"]
    outcome = await _batch(gateway, [item | {"template_version": 9} for item in items[:2]])
    assert {one["error"] for one in outcome["results"]} == {"template_version_not_found"}


async def test_a_user_whom_the_answer_leaves_out_is_unknown_and_the_others_are_not(gateway) -> None:
    gateway.peers.add_template()
    items = _uncached_users(gateway, 3)
    items.insert(1, {**items[0], "user_id": str(uuid4())})
    outcome = await _batch(gateway, items)
    assert [one["error"] for one in outcome["results"]] == [None, "user_not_found", None, None]
    assert _questions(gateway).count("users 4") == 1


async def test_single_requests_share_a_question(start) -> None:
    gateway = await start(rate_limit_per_minute=10_000)
    gateway.peers.add_template()
    users = [gateway.peers.add_user() for _ in range(100)]
    answers = await asyncio.gather(*(gateway.send(user_id=str(user.id)) for user in users))
    assert {answer.status_code for answer in answers} == {202}
    questions = [int(one.split()[1]) for one in gateway.peers.asked if one.startswith("users")]
    assert sum(questions) == 100
    assert len(questions) <= 20


@pytest.mark.parametrize("status", [404, 405])
async def test_an_older_service_without_the_bulk_route_makes_no_user_unknown(start, served, status) -> None:
    old = FastAPI()

    @old.get("/internal/users/{user_id}")
    async def user(user_id: UUID) -> Response:
        raise AssertionError("the gateway of the previous release asks so")

    if status == 404:
        old.router.routes.clear()
    async with served(old) as url:
        gateway = await start(user_service_url=url)
        gateway.peers.add_template()
        sent = await gateway.send(user_id=str(uuid4()))
        assert (sent.status_code, sent.json()["data"]["status"]) == (202, "pending")
        assert (await gateway.detail(sent.json()["data"]["notification_id"]))["status"] == "pending"
