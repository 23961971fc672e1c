"""Access tokens: bought once, shared, renewed in time, and what happens when Google sells none."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import pytest
from jose import jwt

from delivery.access_token import AccessToken
from delivery.outcomes import AccountRefused, ProviderDown, Sent
from push_service.senders.fcm.google_auth import NoAccessToken, google_access_token
from push_service.senders.http_client import HttpClient
from testkit.clock import Clock
from testkit.eventually import other_tasks


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def tokens(at_script, clock) -> AsyncIterator[AccessToken]:
    http = HttpClient(timeout_seconds=0.5, connections=4)
    yield google_access_token(at_script, http, clock=clock)
    await http.close()


async def failed_outcome(tokens) -> ProviderDown:
    with pytest.raises(NoAccessToken) as caught:
        await tokens.get()
    return caught.value.outcome


async def test_google_takes_our_assertion(send_to_simulator):
    assert isinstance(await send_to_simulator(), Sent)


async def test_the_assertion_says_who_for_what_and_for_how_long(tokens, fcm, at_script):
    await tokens.get()
    form = parse_qs(fcm.grants.requests[0].body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    [assertion] = form["assertion"]
    assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "typ": "JWT", "kid": at_script.private_key_id}
    claims = jwt.get_unverified_claims(assertion)
    assert claims["iss"] == at_script.client_email
    assert claims["aud"] == at_script.token_uri
    assert claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
    assert claims["exp"] - claims["iat"] == 3600


async def test_a_token_is_bought_once_by_however_many_attempts(tokens, fcm):
    assert set(await asyncio.gather(*(tokens.get() for _ in range(50)))) == {"access-1"}
    assert len(fcm.grants.requests) == 1


async def test_a_failure_is_shared_too(tokens, fcm):
    fcm.grants.answers(503)
    found = await asyncio.gather(*(tokens.get() for _ in range(50)), return_exceptions=True)
    assert {type(each) for each in found} == {NoAccessToken}
    assert len(fcm.grants.requests) == 1


async def test_an_attempt_that_is_cancelled_does_not_take_the_others_with_it(tokens, fcm):
    first, second = asyncio.create_task(tokens.get()), asyncio.create_task(tokens.get())
    await other_tasks()
    first.cancel()
    assert await second == "access-1"


async def test_a_token_is_renewed_five_minutes_before_it_ends(tokens, fcm, clock):
    assert await tokens.get() == "access-1"
    clock.now += 3299
    assert await tokens.get() == "access-1"
    clock.now += 2
    assert await tokens.get() == "access-2"
    assert len(fcm.grants.requests) == 2


async def test_a_short_lived_token_is_not_renewed_at_every_call(tokens, fcm, clock):
    fcm.grants.answers(200, {"access_token": "brief", "expires_in": 100})
    assert [await tokens.get(), await tokens.get()] == ["brief", "brief"]
    clock.now += 51
    assert await tokens.get() == "access-2"


async def test_a_token_that_cannot_be_renewed_is_used_up_to_its_end(tokens, fcm, clock):
    await tokens.get()
    clock.now += 3400
    fcm.grants.answers(503)
    assert [await tokens.get(), await tokens.get()] == ["access-1", "access-1"]
    assert len(fcm.grants.requests) == 2  # and is not asked for at every call meanwhile
    clock.now += 11
    fcm.grants.answers(503)
    assert await tokens.get() == "access-1"
    clock.now += 190
    fcm.grants.answers(503)
    assert (await failed_outcome(tokens)).code == "credentials_unavailable"


async def test_a_forgotten_token_is_replaced_once(tokens, fcm):
    token = await tokens.get()
    tokens.forget(token)
    assert await tokens.get() == "access-2"
    tokens.forget(token)  # the late word of another attempt
    assert await tokens.get() == "access-2"
    assert len(fcm.grants.requests) == 2


@pytest.mark.parametrize(
    ("status", "body", "detail"),
    [
        (400, {"error": "invalid_grant", "error_description": "push@p: no such account"}, "invalid_grant"),
        (401, {"error": "unauthorized_client"}, "unauthorized_client"),
        (403, b"<html>", "HTTP 403"),
        (400, {"error": "Not a code: secret"}, "HTTP 400"),
    ],
)
async def test_a_refused_account_is_the_providers_matter(tokens, fcm, status, body, detail):
    fcm.grants.answers(status, body)
    assert await failed_outcome(tokens) == AccountRefused("credentials_refused", detail)


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, b""), (429, b""), (200, b"<html>"), (200, {"access_token": "a\nb", "expires_in": 9}), (302, b"")],
)
async def test_a_token_endpoint_that_does_not_work_is_waited_for(tokens, fcm, status, body):
    fcm.grants.answers(status, body, retry_after="9")
    assert await failed_outcome(tokens) == ProviderDown("credentials_unavailable", f"HTTP {status}", 9.0)


async def test_a_token_endpoint_that_is_silent_is_waited_for(tokens, fcm):
    fcm.grants.says_nothing()
    assert await failed_outcome(tokens) == ProviderDown("credentials_unavailable", "SocketTimeoutError")


async def test_a_push_without_a_token_is_not_sent(fcm, send):
    fcm.grants.answers(503)
    assert await send() == ProviderDown("credentials_unavailable", "HTTP 503")
    assert fcm.sends.requests == []


async def test_a_token_that_ended_early_is_replaced_within_the_attempt(fcm, send):
    fcm.sends.answers(401)
    assert await send() == Sent("projects/p/messages/2")
    shown = [request.headers["authorization"] for request in fcm.sends.requests]
    assert shown == ["Bearer access-1", "Bearer access-2"]


async def test_many_attempts_that_find_the_token_ended_replace_it_once(fcm, send):
    await send()
    for _ in range(4):
        fcm.sends.answers(401)
    outcomes = await asyncio.gather(*(send() for _ in range(4)))
    assert {type(outcome) for outcome in outcomes} == {Sent}
    assert len(fcm.grants.requests) == 2


async def test_access_that_is_refused_twice_is_not_the_notifications_fault(fcm, send):
    fcm.sends.answers(401)
    fcm.sends.answers(401)
    assert await send() == AccountRefused("credentials_refused", "HTTP 401")
    assert len(fcm.sends.requests) == 2


async def test_trouble_between_fcm_and_apple_is_not_mended_by_another_token(fcm, send):
    fcm.sends.answers(401, {"error": {"details": [{"errorCode": "THIRD_PARTY_AUTH_ERROR"}]}})
    await send()
    assert (len(fcm.sends.requests), len(fcm.grants.requests)) == (1, 1)
