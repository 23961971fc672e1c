"""What accepting and sending can do without for a while: Redis, the user service, the template service (faults 16, 17)."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from uuid import uuid4

import pytest

from tests.faults.lab import TEMPLATE, Lab, letter, post

FEW = 5  # requests a minute of a gateway that is short of them
LOGIN_FAILURES = 10  # the user service's own default


@contextlib.contextmanager
def killed(lab: Lab) -> Iterator[None]:
    lab.redis.kill()
    try:
        yield
    finally:
        lab.redis.start()


@contextlib.contextmanager
def frozen(lab: Lab) -> Iterator[None]:
    lab.redis.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        lab.redis.signal(signal.SIGCONT)


@pytest.mark.parametrize("down", [killed, frozen], ids=["down", "slow"])
def test_16_redis_down(lab: Lab, down: Callable[[Lab], AbstractContextManager[None]]) -> None:
    address = f"guessed.{uuid4().hex}@example.com"
    users = [lab.user(address), lab.user()]
    with down(lab):
        answers = [post(lab, letter(user)) for user in users for _ in range(10)]
        assert {answer.status_code for answer in answers} == {202}
        assert all("RateLimit-Remaining" in answer.headers for answer in answers)
        ids = [answer.json()["data"]["notification_id"] for answer in answers]
        lab.until_ended(ids)
        guesses = [guess(lab, address) for _ in range(LOGIN_FAILURES + 1)]
        assert guesses == [401] * LOGIN_FAILURES + [429]
    lab.prove(16, f"Redis {down.__name__}: accepted, sent, and passwords not guessed", ids)


def test_16_a_gateway_without_redis_limits_by_itself(lab: Lab) -> None:
    user = lab.user()
    with killed(lab):
        lab.system.start_service("api-gateway", name="short", env={"RATE_LIMIT_PER_MINUTE": str(FEW)})
        lab.system.wait_ready("short")
        answers = [post(lab, letter(user), gateway="short") for _ in range(FEW + 1)]
        assert [answer.status_code for answer in answers] == [202] * FEW + [429]
        remaining = [int(answer.headers["RateLimit-Remaining"]) for answer in answers]
        assert remaining == [*reversed(range(FEW)), 0]
    lab.prove(
        16, "Redis down: a gateway limits by itself", [one.json()["data"]["notification_id"] for one in answers[:-1]]
    )


def test_17_user_and_template_service_killed_and_nothing_cached(lab: Lab) -> None:
    code = f"new_{uuid4().hex}"
    lab.system.call("POST", "/templates/", {**TEMPLATE, "code": code})
    users = [lab.user() for _ in range(5)]
    for service in ("user-service", "template-service"):
        lab.kill(service)
    ids = [lab.system.send(channel, user, template_code=code) for user in users for channel in ("email", "push")]
    assert {lab.status(one) for one in ids} == {"pending"}
    assert lab.sql("api-gateway", "SELECT 1 FROM notifications WHERE id = ANY($1::uuid[]) AND recipient IS NULL", ids)
    for service in ("user-service", "template-service"):
        lab.start_again(service)
    lab.prove(17, "user and template service killed, nothing cached", ids)


def guess(lab: Lab, address: str) -> int:
    wrong = {"email": address, "password": uuid4().hex}
    return lab.system.http.post(f"{lab.system.gateway}/api/v1/auth/login", json=wrong).status_code
