"""Dry runs: what FCM says about a token before a device is registered, and when it says nothing."""

import json
from collections.abc import AsyncIterator

import pytest

from chassis.process.breaker import BreakerPolicy, BreakerState, CircuitBreaker
from contracts.push_tokens import INVALID_TOKEN, NO_VERDICT, SENDER_MISMATCH, VALID
from delivery.outcomes import Sent
from push_service.senders.fcm.validation import TokenValidator
from push_service.settings import PushSettings
from push_service.worker import create_token_validator


@pytest.fixture
async def at_simulator(simulators) -> AsyncIterator[TokenValidator]:
    settings = PushSettings(
        _env_file=None, fcm_base_url=simulators.base_url, fcm_service_account_file=simulators.service_account
    )
    made = create_token_validator(settings)
    yield made
    await made.close()


@pytest.fixture
def scripted(sender) -> TokenValidator:
    return TokenValidator(sender, CircuitBreaker("fcm_validation"), seconds=10)


@pytest.mark.parametrize(
    ("token", "verdict"),
    [
        ("a-phone", VALID),
        ("unregistered-1", INVALID_TOKEN),
        ("invalid-token-1", INVALID_TOKEN),
        ("sender-mismatch-1", SENDER_MISMATCH),
        ("quota-9-x", NO_VERDICT),
        ("unavailable-9-x", NO_VERDICT),
        ("third-party-9-x", NO_VERDICT),
    ],
)
async def test_fcm_says_what_a_token_is_worth_and_delivers_nothing(at_simulator, simulators, token, verdict) -> None:
    assert await at_simulator.verdict(token) == verdict
    assert simulators.inbox.pushes.total == 0


async def test_the_dry_run_is_marked_as_one(sender, fcm) -> None:
    assert isinstance(await sender.dry_run("device-1"), Sent)
    [request] = fcm.sends.requests
    assert json.loads(request.body) == {"validate_only": True, "message": {"token": "device-1"}}
    assert request.headers["authorization"] == "Bearer access-1"


async def test_an_expired_access_token_is_replaced(scripted, fcm) -> None:
    fcm.sends.answers(401, {"error": {"status": "UNAUTHENTICATED"}})
    assert await scripted.verdict("device-1") == VALID
    assert [one.headers["authorization"] for one in fcm.sends.requests] == ["Bearer access-1", "Bearer access-2"]


async def test_a_silent_fcm_is_not_waited_for_and_then_not_asked(sender, fcm) -> None:
    breaker = CircuitBreaker("fcm_validation", policy=BreakerPolicy(minimum_calls=2, open_seconds=60))
    impatient = TokenValidator(sender, breaker, seconds=0.2)
    await sender.dry_run("device-1")  # with an access token
    for _ in range(2):
        fcm.sends.says_nothing()
        assert await impatient.verdict("device-1") == NO_VERDICT
    assert breaker.state is BreakerState.OPEN
    asked = len(fcm.sends.requests)
    assert await impatient.verdict("device-1") == NO_VERDICT
    assert len(fcm.sends.requests) == asked


async def test_a_broken_answer_says_nothing(scripted, fcm) -> None:
    fcm.sends.hangs_up()
    assert await scripted.verdict("device-1") == NO_VERDICT


async def test_without_an_account_nothing_is_known() -> None:
    assert await create_token_validator(PushSettings(_env_file=None)).verdict("device-1") == NO_VERDICT
