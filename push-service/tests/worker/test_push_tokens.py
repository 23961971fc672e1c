"""Only the user service may ask about tokens."""

import httpx2
import pytest

from chassis.security import ServiceTokens
from chassis.security.service_keys import development_key
from contracts.services import API_GATEWAY, PUSH_SERVICE, USER_SERVICE

VALIDATE = "/internal/push-tokens/validate"


async def asked(world, body: object, by: str | None = USER_SERVICE) -> httpx2.Response:
    headers = (
        {} if by is None else {"Authorization": f"Bearer {ServiceTokens(development_key(by)).issue(PUSH_SERVICE)}"}
    )
    transport = httpx2.ASGITransport(world.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://push-service") as http:
        return await http.post(VALIDATE, json=body, headers=headers)


async def test_the_user_service_gets_fcms_verdict(working):
    for token, verdict in (("a-phone", "valid"), ("unregistered-1", "invalid_token"), ("unavailable-9", "unknown")):
        answer = await asked(working, {"token": token})
        assert (answer.status_code, answer.json()["data"]) == (200, {"verdict": verdict})


@pytest.mark.parametrize(("by", "status"), [(None, 401), (API_GATEWAY, 403), (PUSH_SERVICE, 403)])
async def test_only_the_user_service_may_ask(working, by, status):
    assert (await asked(working, {"token": "a-phone"}, by)).status_code == status


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": "a b"}, {"token": "x" * 2_049}, {"token": 1}, []])
async def test_an_invalid_token_is_refused(working, body):
    assert (await asked(working, body)).status_code == 422
