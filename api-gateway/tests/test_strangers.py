"""The limit on requests without valid credentials; they cost other callers nothing."""

import asyncio
from uuid import uuid4

import pytest

from api_gateway.routers.proxy import FORWARDED_BODY_BYTES, STRANGERS_BODY_BYTES
from chassis.security import hash_api_key, new_api_key
from contracts.callers import ApiKeyInfo

LOGIN = "/api/v1/auth/login"


async def test_a_forwarded_request_without_credentials_counts_for_its_address(start) -> None:
    gateway = await start(stranger_limit_per_minute=5)
    statuses = [(await gateway.http.post(LOGIN, json={})).status_code for _ in range(7)]
    assert statuses[5:] == [429, 429]
    assert 429 not in statuses[:5]
    refused = await gateway.http.get("/api/v1/users", headers={"Authorization": "Bearer nonsense"})
    assert (refused.status_code, refused.json()["error"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers["RateLimit-Limit"] == "5"
    known = await gateway.http.get("/api/v1/users", headers=gateway.token())
    assert known.status_code != 429


async def test_a_forwarded_request_counts_for_its_caller(start) -> None:
    gateway = await start(rate_limit_per_minute=4)
    mine = gateway.token(uuid4())
    assert (await gateway.http.get("/api/v1/notifications", headers=mine)).status_code == 200
    statuses = [(await gateway.http.get("/api/v1/templates/x", headers=mine)).status_code for _ in range(4)]
    assert (429 in statuses[:3], statuses[3]) == (False, 429)
    assert (await gateway.http.get("/api/v1/templates/x", headers=gateway.token(uuid4()))).status_code != 429


async def test_invented_keys_are_asked_about_so_often_and_a_good_one_is_served_meanwhile(start, monkeypatch) -> None:
    monkeypatch.setattr("contracts.callers.UNKNOWN_KEYS_PER_MINUTE", 5)
    gateway = await start()
    good = new_api_key()
    gateway.peers.api_keys[hash_api_key(good)] = ApiKeyInfo(id=uuid4(), user_id=uuid4(), scopes=("notifications:read",))
    path, headers = "/api/v1/notifications", {"X-API-Key": good}
    assert (await gateway.http.get(path, headers=headers)).status_code == 200
    answers = [await gateway.http.get(path, headers={"X-API-Key": new_api_key()}) for _ in range(20)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 15
    assert (answers[-1].json()["error"], answers[-1].headers["RateLimit-Limit"]) == ("rate_limited", "5")
    assert gateway.peers.asked.count("api key") == 6
    assert (await gateway.http.get(path, headers=headers)).status_code == 200


async def test_the_first_request_of_a_valid_key_does_not_count_for_the_address(start, monkeypatch) -> None:
    """Also if many of its requests arrive before the first look-up is answered."""
    monkeypatch.setattr("contracts.callers.UNKNOWN_KEYS_PER_MINUTE", 5)
    gateway = await start()
    for _ in range(3):
        good = new_api_key()
        gateway.peers.api_keys[hash_api_key(good)] = ApiKeyInfo(
            id=uuid4(), user_id=uuid4(), scopes=("notifications:read",)
        )
        calls = (gateway.http.get("/api/v1/notifications", headers={"X-API-Key": good}) for _ in range(30))
        assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}


@pytest.mark.parametrize("path", ["/docs", "/api/docs", "/openapi.json", "/health/live", "/nothing"])
async def test_no_answer_is_taken_for_another_kind_of_page_and_pages_load_nothing_from_elsewhere(
    gateway, path: str
) -> None:
    answer = await gateway.http.get(path)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers.get("Content-Security-Policy", "")
    assert ("frame-ancestors 'none'" in policy) is path.endswith("/docs")


async def test_only_known_callers_may_forward_large_bodies(gateway) -> None:
    """Otherwise a few hundred strangers fill the process's memory: each may hold a body of MAX_BODY_BYTES for a minute."""

    async def parts():
        for _ in range(10):
            yield b"x" * 10_000

    path, known = "/api/v1/auth/login", gateway.token()
    for body in (b"x" * 100_000, parts()):
        refused = await gateway.http.post(path, content=body)
        assert (refused.status_code, refused.json()["error"]) == (413, "payload_too_large")
        assert "Without credentials" in refused.json()["message"]
    assert (await gateway.http.post(path, content=b"x" * STRANGERS_BODY_BYTES)).status_code == 200
    assert (await gateway.http.post(path, content=b"x" * 100_000, headers=known)).status_code == 200


async def test_a_body_that_no_service_accepts_is_refused_before_it_is_forwarded(gateway) -> None:
    """The service would answer before it has read the body, and close. The answer could be lost and count as a failure."""
    path, known = "/api/v1/users", gateway.token()
    refused = await gateway.http.post(path, content=b"x" * (FORWARDED_BODY_BYTES + 1), headers=known)
    assert (refused.status_code, refused.json()["error"]) == (413, "payload_too_large")
    assert str(FORWARDED_BODY_BYTES) in refused.json()["message"]
    assert (await gateway.http.post(path, content=b"x" * FORWARDED_BODY_BYTES, headers=known)).status_code == 200
