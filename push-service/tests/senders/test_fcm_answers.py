"""FCM's answers, row by row, over a real connection."""

import pytest

from delivery.outcomes import AccountRefused, Ambiguous, Defect, Permanent, RetryLater, Sent

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
THREE_MINUTES_LATER = "Sun, 06 Nov 1994 08:52:37 GMT"


def refusal(status: int, code: str = "", message: str = "", fields: tuple[str, ...] = ()) -> dict:
    details: list[dict] = [{"@type": FCM_ERROR, "errorCode": code}] if code else []
    if fields:
        violations = [{"field": each, "description": f"Invalid value at '{each}', 12"} for each in fields]
        details.append({"@type": BAD_REQUEST, "fieldViolations": violations})
    return {"error": {"code": status, "message": message, "status": "X", "details": details}}


def dead(detail: str) -> Permanent:
    return Permanent("invalid_token", detail, dead_recipient=True)


async def test_a_taken_push_is_sent_under_the_name_fcm_gave_it(send):
    assert await send() == Sent("projects/p/messages/1")


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (404, refusal(404, "UNREGISTERED", "Gone."), dead("HTTP 404 UNREGISTERED Gone.")),
        (
            400,
            refusal(400, "INVALID_ARGUMENT", "The registration token is not a valid FCM registration token"),
            dead("HTTP 400 INVALID_ARGUMENT The registration token is not a valid FCM registration token"),
        ),
        (
            400,
            refusal(400, "INVALID_ARGUMENT", "Request contains an invalid argument.", ("message.token",)),
            dead("HTTP 400 INVALID_ARGUMENT message.token"),
        ),
        (
            400,
            refusal(400, "", "Invalid value at 'message.data[0].value', 12", ("message.data[0].value",)),
            Permanent("rejected", "HTTP 400 message.data[0].value"),
        ),
        (
            400,
            refusal(400, "INVALID_ARGUMENT", "The registration token is fine", ("message.android.priority",)),
            Permanent("rejected", "HTTP 400 INVALID_ARGUMENT message.android.priority"),
        ),
        (
            400,
            refusal(400, "INVALID_ARGUMENT", "Too big."),
            Permanent("rejected", "HTTP 400 INVALID_ARGUMENT Too big."),
        ),
        (400, b"<html>", Permanent("rejected", "HTTP 400")),
        (413, b"", Permanent("payload_too_large", "HTTP 413")),
        (403, refusal(403, "SENDER_ID_MISMATCH"), Permanent("sender_mismatch", "HTTP 403 SENDER_ID_MISMATCH")),
        (403, refusal(403, "", "Denied."), AccountRefused("provider_refused", "HTTP 403 Denied.")),
        (404, refusal(404, "", "No project."), AccountRefused("provider_refused", "HTTP 404 No project.")),
        (302, b"", AccountRefused("provider_refused", "HTTP 302")),
        (
            401,
            refusal(401, "THIRD_PARTY_AUTH_ERROR"),
            AccountRefused("third_party_auth", "HTTP 401 THIRD_PARTY_AUTH_ERROR", affects_all=False),
        ),
        (429, refusal(429, "QUOTA_EXCEEDED"), RetryLater("rate_limited", "HTTP 429 QUOTA_EXCEEDED", 60.0)),
        (500, refusal(500, "INTERNAL"), RetryLater("provider_error", "HTTP 500 INTERNAL")),
        (503, refusal(503, "UNAVAILABLE"), RetryLater("provider_unavailable", "HTTP 503 UNAVAILABLE")),
        (502, b"", Ambiguous("no_answer", "HTTP 502")),
        (504, b"", Ambiguous("no_answer", "HTTP 504")),
        (408, b"", RetryLater("provider_unavailable", "HTTP 408")),
        (418, b"[1]", Defect("unexpected_answer", "HTTP 418")),
        (200, b"<html>Log in to the hotel's network", Ambiguous("unreadable_answer", "HTTP 200")),
        (200, {}, Ambiguous("unreadable_answer", "HTTP 200")),
        (200, b'{"name": "\xff\xfe"}', Ambiguous("unreadable_answer", "HTTP 200")),
        (404, "\u00fc".encode("latin-1"), AccountRefused("provider_refused", "HTTP 404")),
    ],
)
async def test_an_answer_is_the_outcome_the_table_says(fcm, send, status, body, outcome):
    fcm.sends.answers(status, body)
    assert await send() == outcome
    assert len(fcm.sends.requests) == 1


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"retry_after": "7"}, 7.0),
        (429, {"retry_after": "0"}, 0.0),
        (429, {"retry_after": "soon"}, 60.0),
        (503, {"retry_after": "30"}, 30.0),
        (500, {"retry_after": THREE_MINUTES_LATER, "date": DATE}, 180.0),
        (503, {"retry_after": DATE, "date": THREE_MINUTES_LATER}, 0.0),
        (503, {"retry_after": THREE_MINUTES_LATER}, None),
        (503, {"retry_after": "999999999"}, 3600.0),
        (503, {"retry_after": f"Sun, 06 Nov {'9' * 20} 08:49:37 GMT", "date": DATE}, None),
    ],
)
async def test_the_providers_own_wish_is_kept(fcm, send, status, headers, seconds):
    fcm.sends.answers(status, refusal(status), **headers)
    outcome = await send()
    assert isinstance(outcome, RetryLater)
    assert outcome.after_seconds == seconds


async def test_the_value_of_a_field_is_not_passed_on(fcm, send):
    fcm.sends.answers(400, refusal(400, "", "Invalid value at 'message.data[0].value', 12", ("message.data[0].value",)))
    outcome = await send()
    assert ", 12" not in outcome.detail


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("unregistered-1", Permanent("invalid_token", dead_recipient=True)),
        ("invalid-token-1", Permanent("invalid_token", dead_recipient=True)),
        ("sender-mismatch-1", Permanent("sender_mismatch")),
        ("quota-1-a", RetryLater("rate_limited", after_seconds=1.0)),
        ("unavailable-1-a", RetryLater("provider_unavailable")),
        ("third-party-1-a", AccountRefused("third_party_auth", affects_all=False)),
    ],
)
async def test_the_simulators_documented_errors_mean_the_same(send_to_simulator, token, code):
    outcome = await send_to_simulator(token=token)
    assert (type(outcome), outcome.code) == (type(code), code.code)
    assert getattr(outcome, "dead_recipient", None) == getattr(code, "dead_recipient", None)
    assert getattr(outcome, "after_seconds", None) == getattr(code, "after_seconds", None)
