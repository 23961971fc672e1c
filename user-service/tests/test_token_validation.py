"""New FCM tokens are checked with FCM, through a push worker, before they are registered."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from fastapi import FastAPI, Request
from starlette.responses import Response

from chassis.http.envelope import answer
from chassis.security import ServiceCallers
from contracts.push_tokens import PushTokenFinding, PushTokenQuestion
from contracts.services import PUSH_SERVICE, USER_SERVICE
from devstack.serving import serving
from user_service.settings import UserSettings

APPLE = {"provider": "apns", "token": "ab" * 32}
BROWSER = {
    "endpoint": "https://fcm.googleapis.com/fcm/send/d61c5u920dw",
    "keys": {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    },
}


@dataclass
class PushWorker:
    """Knows the validity of each token; all other tokens are valid. `status` is answered instead."""

    url: str = ""
    verdicts: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    silent: bool = False
    asked: list[str] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()
        callers = ServiceCallers(UserSettings(_env_file=None).service_public_keys, PUSH_SERVICE)

        @app.get("/health/live")
        async def live() -> Response:
            return answer()

        @app.post("/internal/push-tokens/validate")
        async def validate(question: PushTokenQuestion, request: Request) -> Response:
            assert callers.authenticate(request.headers["Authorization"]) == USER_SERVICE
            self.asked.append(question.token)
            if self.silent:
                await asyncio.Event().wait()
            if self.status is not None:
                return Response(status_code=self.status)
            return answer(PushTokenFinding(verdict=self.verdicts.get(question.token, "valid")))

        return app


@pytest.fixture
async def worker() -> AsyncIterator[PushWorker]:
    made = PushWorker()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with serving(made.app(), listener, lifespan="off", grace_seconds=1):
            yield made


@pytest.fixture
async def world(make_world, worker):
    return await make_world(validate_push_tokens=True, push_service_url=worker.url)


async def add(user, token: object):
    return await user.call("POST", f"{user.path}/push-tokens", json={"push_token": token})


@pytest.mark.parametrize(
    ("verdict", "said"), [("invalid_token", "FCM does not know"), ("sender_mismatch", "another Firebase project")]
)
async def test_a_token_that_fcm_refuses_is_refused_and_not_stored(world, worker, verdict, said) -> None:
    user = await world.user()
    worker.verdicts["dead"] = verdict
    refused = await add(user, "dead")
    assert refused.status_code == 422
    [error] = refused.json()["data"]["errors"]
    assert error["field"] == "push_token"
    assert said in error["message"]
    assert (await user.call("GET", f"{user.path}/push-tokens")).json()["data"] == []
    named = await user.call("POST", f"{user.path}/push-tokens", json={"token": "dead"})
    assert named.json()["data"]["errors"][0]["field"] == "token"


async def test_every_way_to_register_a_device_asks(world, worker) -> None:
    user, key = await world.user(), await world.api_key("users:read", "users:write")
    worker.verdicts["dead"] = "invalid_token"
    person = {"name": "Ada", "email": "somebody@example.com", "push_token": "dead"}
    answers = [
        await world.http.post("/api/v1/users", json={**person, "password": "correct horse"}),
        await user.call("PUT", f"{user.path}/push-token", json={"push_token": "dead"}),
        await user.call("PATCH", json={"push_token": "dead"}),
        await key.call("PUT", "/api/v1/users/external/c-1", json=person),
        await key.call("POST", "/api/v1/users", json={**person, "external_id": "c-2"}),
    ]
    assert [answer.status_code for answer in answers] == [422] * 5
    assert worker.asked == ["dead"] * 5


async def test_a_good_token_is_asked_about_once(world, worker) -> None:
    user, other = await world.user(), await world.user()
    assert [(await add(user, "phone")).status_code for _ in range(2)] == [201, 200]
    assert (await add(other, "phone")).status_code == 201
    assert worker.asked == ["phone"]


async def test_other_providers_devices_are_not_asked_about(world, worker) -> None:
    user = await world.user()
    for token in (APPLE, BROWSER):
        assert (await add(user, token)).status_code == 201
    assert worker.asked == []


@pytest.mark.parametrize("trouble", ["unknown", "a-word-of-a-newer-release", 404, 401, 403, 500, "silent"])
async def test_a_registration_does_not_fail_for_want_of_an_answer(world, worker, trouble) -> None:
    user = await world.user()
    worker.silent = trouble == "silent"
    worker.status = trouble if isinstance(trouble, int) else None
    worker.verdicts["phone"] = str(trouble)
    assert (await add(user, "phone")).status_code == 201
    assert set(worker.asked) == {"phone"}


async def test_a_worker_that_is_down_is_soon_not_waited_for(make_world, unused_tcp_port) -> None:
    world = await make_world(validate_push_tokens=True, push_service_url=f"http://127.0.0.1:{unused_tcp_port}")
    user = await world.user()
    for number in range(11):
        assert (await add(user, f"phone-{number}")).status_code == 201
    state = world.app.state.metrics.get_sample_value("circuit_breaker_state", {"name": "push-service"})
    assert state == 2  # open
    health = (await world.http.get("/health")).json()
    assert health["data"]["dependencies"]["push-service"]["status"] == "down"
    assert (await world.http.get("/health/readiness")).status_code == 200


async def test_nobody_is_asked_unless_it_is_switched_on(make_world, worker) -> None:
    world = await make_world(push_service_url=worker.url)
    worker.verdicts["dead"] = "invalid_token"
    assert (await add(await world.user(), "dead")).status_code == 201
    assert worker.asked == []
