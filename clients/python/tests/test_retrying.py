"""What is sent again, and what never is."""

import json

import httpx2
import pytest

from clients.python.tests.miniature import QUICK, Call, Gateway, refusal
from notifications import ConnectionFailed, NotificationsError, RateLimited, RetryPolicy, TimedOut, Unavailable
from notifications.errors import ApiError
from testkit.faulty_http import Fault, Reply

MAIL = {"notification_type": "email", "user_id": "u", "template_code": "welcome"}
BUSY = refusal(503, "database_unavailable", **{"Retry-After": "0"})
PROXY = Reply(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})


@pytest.fixture
def patience() -> float:
    return 1.0


@pytest.mark.parametrize(
    "faults",
    [["late"], ["reset"], [BUSY], [PROXY], [refusal(429, "rate_limited")], ["reset", BUSY, "late"]],
    ids=["late", "reset", "503", "502", "429", "three"],
)
async def test_a_lost_answer_or_a_busy_server_makes_one_notification(
    gateway: Gateway, call: Call, faults: list[Fault]
) -> None:
    gateway.fail(faults)
    sent = await call("send", **MAIL)
    assert list(gateway.accepted) == [sent.request_id]
    assert sent.notification_id == "n-0"
    assert len(gateway.asked) == len(faults) + 1
    assert len({asked.body for asked in gateway.asked}) == 1
    assert sent.replayed == ("late" in faults or "reset" in faults)


async def test_two_calls_are_two_notifications(gateway: Gateway, call: Call) -> None:
    assert (await call("send", **MAIL)).notification_id != (await call("send", **MAIL)).notification_id


async def test_the_caller_s_own_request_id_is_used(gateway: Gateway, call: Call) -> None:
    first, again = [await call("send", **MAIL, request_id="mine") for _ in range(2)]
    assert list(gateway.accepted) == ["mine"]
    assert (first.request_id, first.replayed, again.replayed) == ("mine", False, True)


@pytest.mark.parametrize(("fault", "error"), [("late", TimedOut), ("reset", ConnectionFailed), (BUSY, Unavailable)])
async def test_attempts_are_bounded_and_the_last_error_is_raised(
    gateway: Gateway, call: Call, fault: Fault, error: type[NotificationsError]
) -> None:
    gateway.fail([fault] * 10)
    with pytest.raises(error) as raised:
        await call("send", **MAIL)
    assert len(gateway.asked) == QUICK.max_retries + 1
    assert raised.value.request_id == json.loads(gateway.asked[0].body)["request_id"], "with which it can be sent again"
    assert len(gateway.accepted) == (1 if issubclass(error, ConnectionFailed) else 0)


NOT_REPEATABLE = {
    "retry": ["n-1"],
    "replay": [],
    "login": ["ada@example.com", "a password"],
    "templates.activate": ["welcome", 1],
    "api_keys.rotate": ["k-1"],
    "users.disable": ["u-1"],
}


@pytest.mark.parametrize("fault", ["reset", BUSY, PROXY], ids=["reset", "503", "502"])
@pytest.mark.parametrize("name", NOT_REPEATABLE)
async def test_what_is_not_idempotent_is_sent_once(gateway: Gateway, call: Call, name: str, fault: Fault) -> None:
    gateway.fail([fault])
    with pytest.raises((ApiError, ConnectionFailed)):
        await call(name, *NOT_REPEATABLE[name])
    assert len(gateway.asked) == 1


async def test_a_long_retry_after_is_the_caller_s_to_wait_for(gateway: Gateway, call: Call) -> None:
    gateway.fail([refusal(429, "recipient_limited", **{"Retry-After": "3600"})])
    with pytest.raises(RateLimited) as raised:
        await call("send", **MAIL)
    assert raised.value.retry_after == 3600
    assert len(gateway.asked) == 1


async def test_a_server_that_is_not_there_is_a_connection_that_failed(gateway: Gateway, call: Call) -> None:
    gateway.server_close()
    with pytest.raises(ConnectionFailed):
        await call("get", "n-1")


def _refused(retry_after: str | None, status: int = 503) -> ApiError:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return ApiError("", status=status, code="x", headers=headers)


@pytest.mark.parametrize(
    ("failure", "attempt", "between"),
    [
        (_refused(None), 1, (0.5, 1.0)),
        (_refused(None), 2, (1.0, 2.0)),
        (_refused(None), 9, (5.0, 10.0)),
        (_refused("4"), 1, (4.0, 4.0)),
        (_refused("1"), 4, (4.0, 8.0)),
        (_refused("10"), 1, (10.0, 10.0)),
        (_refused("11"), 1, None),
        (_refused("soon"), 1, (0.5, 1.0)),
        (_refused("-5"), 1, (0.5, 1.0)),
        (_refused(None, status=500), 1, None),
        (_refused(None, status=422), 1, None),
        (_refused(None), 11, None),
        (ConnectionFailed(), 1, (0.5, 1.0)),
    ],
)
def test_a_pause_doubles_is_spread_and_is_at_least_what_the_server_asks(
    failure: ApiError | ConnectionFailed, attempt: int, between: tuple[float, float] | None
) -> None:
    policy = RetryPolicy(max_retries=10, first_pause=1.0, longest_pause=10.0)
    pauses = [policy.pause_after(failure, attempt) for _ in range(50)]
    if between is None:
        assert set(pauses) == {None}
    else:
        assert all(pause is not None and between[0] <= pause <= between[1] for pause in pauses)
        assert between[0] == between[1] or len(set(pauses)) > 1


def test_a_retry_after_that_is_a_date_is_understood() -> None:
    error = _refused("Fri, 31 Dec 2100 23:59:59 GMT")
    assert error.retry_after is not None
    assert error.retry_after > 1_000_000


async def test_an_address_without_http_is_no_reason_to_try_again(gateway: Gateway) -> None:
    failure = ConnectionFailed()
    failure.__cause__ = httpx2.UnsupportedProtocol("no")
    assert QUICK.pause_after(failure, 1) is None
