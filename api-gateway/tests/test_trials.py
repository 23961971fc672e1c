"""A version of a template, tried with what was sent lately: by whom, with whose notifications, and what they see."""

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from api_gateway.repositories import trials
from api_gateway.services import trials as services
from chassis.postgres.database import Database
from chassis.security import ServiceTokens, hash_api_key, new_api_key
from chassis.security.service_keys import development_key
from contracts.callers import ApiKeyInfo

BOTH = ("templates:read", "notifications:read", "notifications:write")
KEYS = f"one:{base64.b64encode(os.urandom(32)).decode()}"
PATH = "/api/v1/templates/welcome/trials"


@pytest.fixture(autouse=True)
def _versions(peers) -> None:
    """Version 3 is active, version 4 a draft."""
    peers.add_template(version=4)
    peers.add_template(version=3)


def _key(gateway, application: UUID, *scopes: str, test: bool = False) -> dict[str, str]:
    key = new_api_key()
    gateway.peers.api_keys[hash_api_key(key)] = ApiKeyInfo(
        id=uuid4(), user_id=uuid4(), scopes=scopes, application_id=application, test=test
    )
    return {"X-API-Key": key}


async def _sent(gateway, name: str = "Ada", headers: dict[str, str] | None = None, **changes: object) -> str:
    user = gateway.peers.add_user()
    variables = {"name": name, "link": f"https://example.com/{name}"}
    answered = await gateway.send(**{"user_id": str(user.id), "variables": variables, "headers": headers, **changes})
    assert answered.status_code == 202, answered.text
    return answered.json()["data"]["notification_id"]


async def _try(gateway, headers: dict[str, str] | None = None, *, status: int = 200, **body: object) -> dict:
    answered = await gateway.http.post(PATH, json={"version": 4, **body}, headers=headers or gateway.token())
    assert answered.status_code == status, answered.text
    return answered.json()["data"] if status == 200 else answered.json()


async def test_each_of_the_last_notifications_is_shown_with_both_versions(gateway) -> None:
    sent = [await _sent(gateway, name) for name in ("Ada", "Grace", "Alan")]
    bad = await _sent(gateway, variables={"name": "Kay"})
    tried = await _try(gateway, last=3)
    assert [one["notification_id"] for one in tried["notifications"]] == [bad, sent[2], sent[1]], "newest first"
    assert {name: tried[name] for name in ("code", "language", "version", "active_version", "found", "failing")} == {
        "code": "welcome", "language": "en", "version": 4, "active_version": 3, "found": 3, "failing": 1,
    }  # fmt: skip
    assert tried["complete"]
    failing, changed, _ = tried["notifications"]
    assert failing["after"] == {
        "error": "missing_variables", "message": "Variables are missing: link", "missing_variables": ["link"],
        "subject": None, "subject_length": None,
    }  # fmt: skip
    assert (changed["before"]["subject"], changed["after"]["subject"]) == ("Hi Alan", "Dear Alan")
    assert (changed["before"]["subject_length"], changed["after"]["subject_length"]) == (7, 9)
    assert (changed["added"], changed["removed"], changed["links_added"]) == (["https://example.com/Alan"], [], 1)
    assert changed["variables"] is None


async def test_variables_are_shown_when_they_are_asked_for_as_they_were_given(gateway) -> None:
    exact = '{"name": "Ada", "link": "https://example.com/x", "price": 1.10, "id": 123456789012345678901234567890}'
    user = gateway.peers.add_user()
    body = f'{{"notification_type":"email","template_code":"welcome","user_id":"{user.id}","variables":{exact}}}'
    headers = {**gateway.token(UUID(int=1)), "Content-Type": "application/json"}
    assert (await gateway.http.post("/api/v1/notifications", content=body, headers=headers)).status_code == 202
    answered = await gateway.http.post(PATH, json={"version": 4, "show_variables": True}, headers=gateway.token())
    assert exact in answered.text
    assert gateway.peers.trials[-1].payloads[0].variables == json.loads(exact)


async def test_an_application_tries_with_its_own_notifications_an_administrator_with_all(gateway) -> None:
    ours, theirs = uuid4(), uuid4()
    first, second = _key(gateway, ours, *BOTH), _key(gateway, theirs, *BOTH)
    mine, other = await _sent(gateway, headers=first), await _sent(gateway, headers=second)
    for headers, seen in ((first, [mine]), (second, [other]), (gateway.token(), [other, mine])):
        tried = await _try(gateway, headers)
        assert [one["notification_id"] for one in tried["notifications"]] == seen
    assert (await _try(gateway, _key(gateway, ours, *BOTH, test=True)))["found"] == 0, "test keys are kept apart"


@pytest.mark.parametrize("scopes", [(), ("templates:read",), ("notifications:read",), ("templates:write",)])
async def test_a_key_needs_both_scopes_and_a_user_may_not(gateway, scopes: tuple[str, ...]) -> None:
    await _try(gateway, _key(gateway, uuid4(), *scopes), status=403)
    await _try(gateway, gateway.token(role="user"), status=403)
    assert gateway.peers.trials == []


async def test_of_the_systems_own_mails_nobody_sees_what_they_say(gateway) -> None:
    mail = {
        "request_id": "m", "user_id": str(uuid4()), "template_code": "welcome",
        "variables": {"name": "hidden-name", "link": "https://example.com/hidden-token"},
        "recipient": {"name": "", "email": "a@example.com"},
        "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }  # fmt: skip
    token = ServiceTokens(development_key("user-service")).issue("api-gateway")
    accepted = await gateway.http.post(
        "/internal/notifications", json=mail, headers={"Authorization": f"Bearer {token}"}
    )
    assert accepted.status_code == 202, accepted.text
    answered = await gateway.http.post(PATH, json={"version": 4, "show_variables": True}, headers=gateway.token())
    assert "hidden" not in answered.text
    one = answered.json()["data"]["notifications"][0]
    assert (one["after"]["subject"], one["after"]["subject_length"]) == (None, len("Dear hidden-name"))
    assert (one["added"], one["removed"], one["variables"], one["links_added"]) == (None, None, None, 1)


async def test_only_this_template_language_and_channel_count_and_nothing_that_was_erased(gateway) -> None:
    gateway.peers.add_template(code="other")
    await _sent(gateway, template_code="other")
    push = await _sent(gateway, notification_type="push")
    mail, erased = await _sent(gateway), await _sent(gateway)
    await gateway.change(f"UPDATE notifications SET recipient = NULL, given_variables = '{{}}' WHERE id = '{erased}'")
    tried = await _try(gateway)
    assert {one["notification_id"] for one in tried["notifications"]} == {push, mail}
    assert [one["notification_id"] for one in (await _try(gateway, notification_type="push"))["notifications"]] == [
        push
    ]
    await gateway.change("UPDATE notifications SET language = 'pt'")
    assert (await _try(gateway))["found"] == 0


async def test_a_caller_whose_few_are_long_ago_in_a_busy_template_finds_them(gateway, monkeypatch) -> None:
    caller = _key(gateway, uuid4(), *BOTH)
    few = [await _sent(gateway, headers=caller) for _ in range(2)]
    for _ in range(3):
        await _sent(gateway)
    small = str(trials.OF_TEMPLATE.text).replace(f"LIMIT {trials.MAX_EXAMINED}", "LIMIT 2")
    monkeypatch.setattr(trials, "OF_TEMPLATE", text(small))
    found = await _try(gateway, caller)
    assert [one["notification_id"] for one in found["notifications"]] == few[::-1]


async def test_the_search_walks_an_index_and_ends_early(gateway) -> None:
    """So it costs the same whether the table has a thousand rows or a billion."""
    await _sent(gateway)
    database = Database(gateway.settings.database_url)
    wanted = {"code": "welcome", "language": "en", "caller": "x", "channel": None, "last": 20}
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        await connection.execute(text("SET LOCAL enable_sort = off"))
        for query, index in (
            (trials.OF_TEMPLATE, "ix_notifications_template_code_id"),
            (trials.OF_CALLER, "ix_notifications_caller_id"),
        ):
            plan = "\n".join((await connection.execute(text(f"EXPLAIN {query.text}"), wanted)).scalars())
            assert f"Index Scan Backward using {index}" in plan, plan
            assert "Sort" not in plan, plan
    await database.close()


async def test_encrypted_values_are_tried_too(start) -> None:
    gateway = await start(data_encryption_keys=KEYS)
    await _sent(gateway, "Ada")
    assert (await _try(gateway))["notifications"][0]["after"]["subject"] == "Dear Ada"


async def test_the_template_service_is_asked_again_for_what_it_had_no_time_for(gateway) -> None:
    for _ in range(7):
        await _sent(gateway)
    gateway.peers.tried_at_once = 3
    tried = await _try(gateway)
    assert (len(tried["notifications"]), tried["complete"]) == (7, True)
    assert [len(question.payloads) for question in gateway.peers.trials] == [7, 4, 1]


async def test_large_variables_go_in_several_questions(gateway, monkeypatch) -> None:
    monkeypatch.setattr(services, "MAX_PAYLOADS_BYTES", 2_000)
    for _ in range(3):
        await _sent(gateway, variables={"name": "x" * 1_500, "link": "https://example.com"})
    assert (await _try(gateway))["complete"]
    assert [len(question.payloads) for question in gateway.peers.trials] == [1, 1, 1]


@pytest.mark.parametrize(("at_once", "seconds"), [(0, 6.0), (2, 0.0)])
async def test_what_there_is_no_time_for_is_left_out_and_said(
    gateway, monkeypatch, at_once: int, seconds: float
) -> None:
    for _ in range(3):
        await _sent(gateway)
    gateway.peers.tried_at_once = at_once
    monkeypatch.setattr(services, "SECONDS", seconds)
    tried = await _try(gateway)
    assert (tried["found"], tried["complete"], tried["notifications"]) == (3, False, [])


async def test_without_the_template_service_it_is_a_503(gateway) -> None:
    await _sent(gateway)
    gateway.peers.down = True
    await _try(gateway, status=503)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"version": 9}, 404), ({"version": 4, "language": "fr"}, 404), ({}, 422), ({"version": 0}, 422),
        ({"version": "4"}, 422), ({"version": 2**31}, 422), ({"version": 4, "last": 0}, 422),
        ({"version": 4, "last": 101}, 422), ({"version": 4, "unknown": 1}, 422), ({"version": 4, "language": "?"}, 422),
        ({"version": 4, "notification_type": "fax"}, 422), ([], 422),
    ],
)  # fmt: skip
async def test_bad_input_is_refused(gateway, body: object, status: int) -> None:
    answered = await gateway.http.post(PATH, json=body, headers=gateway.token())
    assert answered.status_code == status, answered.text
    assert answered.json()["success"] is False


@pytest.mark.parametrize("code", ["unknown", "No%20code", "x" * 101, "%C3%A9"])
async def test_a_template_that_is_none_is_not_found(gateway, code: str) -> None:
    answered = await gateway.http.post(f"/api/v1/templates/{code}/trials", json={"version": 1}, headers=gateway.token())
    assert (answered.status_code, answered.json()["error"]) == (404, "template_not_found")


async def test_other_methods_are_not_forwarded(gateway) -> None:
    assert (await gateway.http.options(PATH)).headers["Allow"] == "OPTIONS, POST"
    refused = await gateway.http.get(PATH, headers=gateway.token())
    assert (refused.status_code, refused.json()["error"]) == (405, "method_not_allowed")
    assert refused.headers["Allow"] == "OPTIONS, POST"
