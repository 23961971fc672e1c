"""Every refusal is an error that says what, where and which request."""

import pytest

import notifications as sdk
from clients.python.tests.miniature import Call, Gateway, refusal
from testkit.faulty_http import Reply


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_json", sdk.InvalidRequest),
        (401, "unauthorized", sdk.AuthenticationFailed),
        (403, "forbidden", sdk.PermissionDenied),
        (404, "notification_not_found", sdk.NotFound),
        (409, "not_cancellable", sdk.NotCancellable),
        (409, "not_retryable", sdk.NotRetryable),
        (409, "template_exists", sdk.Conflict),
        (413, "payload_too_large", sdk.InvalidRequest),
        (422, "validation_error", sdk.InvalidRequest),
        (422, "idempotency_key_reused", sdk.RequestIdReused),
        (429, "rate_limited", sdk.RateLimited),
        (500, "internal_error", sdk.ServerError),
        (503, "database_unavailable", sdk.Unavailable),
        (418, "a_code_of_the_future", sdk.ApiError),
    ],
)
async def test_an_error_is_of_the_class_of_its_code_or_status(
    gateway: Gateway, call: Call, status: int, code: str, kind: type[sdk.ApiError]
) -> None:
    gateway.fail([refusal(status, code, **{"X-Correlation-ID": "c-1", "Retry-After": "7"})])
    with pytest.raises(sdk.ApiError) as raised:
        await call("retry", "n-1")
    error = raised.value
    assert type(error) is kind
    assert (error.status, error.code, error.message) == (status, code, f"About {code}")
    assert (error.correlation_id, error.retry_after) == ("c-1", 7)
    assert str(error) == f"{status} {code}: About {code} (correlation id c-1)"


async def test_a_validation_error_names_the_fields(gateway: Gateway, call: Call) -> None:
    problem = {"field": "variables.name", "message": "is missing"}
    gateway.fail([refusal(422, "missing_variables", {"errors": [problem]})])
    with pytest.raises(sdk.InvalidRequest) as raised:
        await call("send", notification_type="email", template_code="welcome", user_id="u")
    assert raised.value.problems == [sdk.FieldProblem("variables.name", "is missing")]
    assert raised.value.details == {"errors": [problem]}
    assert "variables.name: is missing" in str(raised.value)


HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(502, b"<html>nginx</html>", HTML), "text/html"),
        (Reply(404, b"<html>not here</html>", HTML), "is the address right"),
        (Reply(200, b"<html>a login page</html>", HTML), "text/html"),
        (Reply(301, b"", {"Location": "https://elsewhere.example/"}), "no content type"),
        (Reply(200, b"[]"), "application/json"),
        (Reply(500, b'{"detail": "of another server"}'), "application/json"),
        (Reply(200, b'{"success": true, "data": {"status": "sent"}}'), "notification_id"),
        (Reply(200, b"\xff\xfe", HTML), "text/html"),
    ],
)
async def test_an_answer_that_is_not_the_api_s_is_a_clear_error(
    gateway: Gateway, call: Call, reply: Reply, says: str
) -> None:
    gateway.fail([reply] * 9)
    with pytest.raises(sdk.UnexpectedAnswer, match=says) as raised:
        await call("get", "n-1")
    assert (raised.value.status, raised.value.code) == (reply.status, "unexpected_answer")
    assert raised.value.details == reply.body.decode(errors="replace")


def test_all_errors_have_one_base() -> None:
    errors = [kind for kind in vars(sdk).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(errors) > 15
    assert all(issubclass(kind, sdk.NotificationsError) for kind in errors)
