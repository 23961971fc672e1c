"""Every answer of a push service, over the wire, and what it means for a delivery."""

import pytest

from delivery.outcomes import AccountRefused, Ambiguous, Defect, Permanent, RetryLater, Sent

DEAD = {"dead_recipient": True}
ROWS = {
    "a-browser": Sent("1"),
    "receipt": Sent("1"),
    "gone": Permanent("invalid_token", "HTTP 410 errno 106", **DEAD),
    "missing": Permanent("invalid_token", "HTTP 404", **DEAD),
    "malformed": Permanent("rejected", "HTTP 400 errno 110"),
    "too-large": Permanent("payload_too_large", "HTTP 413"),
    "foreign-key": Permanent("sender_mismatch", "HTTP 403"),
    "foreign-key-mozilla": Permanent("sender_mismatch", "HTTP 401 errno 109"),
    "foreign-key-apple": Permanent("sender_mismatch", "HTTP 400 VapidPkHashMismatch"),
    "account-1": AccountRefused("credentials_refused", "HTTP 403 BadJwtToken", affects_all=False),
    "unauthorized-1": AccountRefused("credentials_refused", "HTTP 401", affects_all=False),
    "quota-1": RetryLater("rate_limited", "HTTP 429", 1.0),
    "throttled-1": RetryLater("rate_limited", "HTTP 406", 60.0),
    "slow-1": RetryLater("provider_unavailable", "HTTP 408"),
    "error-1": RetryLater("provider_error", "HTTP 500"),
    "unavailable-1": RetryLater("provider_unavailable", "HTTP 503", 1.0),
    "bad-gateway-1": Ambiguous("no_answer", "HTTP 502"),
    "portal": Ambiguous("unreadable_answer", "HTTP 200"),
    "moved": Defect("unexpected_answer", "HTTP 307"),
    "teapot": Defect("unexpected_answer", "HTTP 418"),
    "drop-1": Ambiguous("no_answer", "ClientPayloadError"),
    "stall-1": Ambiguous("no_answer", "SocketTimeoutError"),
}


@pytest.mark.parametrize("name", ROWS)
async def test_an_answer_means(send, name: str) -> None:
    assert await send(name) == ROWS[name]


@pytest.mark.parametrize("name", [name for name in ROWS if name.endswith("-1") and not name.startswith("stall")])
async def test_a_temporary_refusal_is_accepted_the_next_time(send, name: str) -> None:
    await send(name)
    assert isinstance(await send(name), Sent)


async def test_a_redirect_is_not_followed(send, simulators) -> None:
    await send("moved")
    assert simulators.inbox.pushes.total == 0


async def test_the_endpoint_is_in_no_detail(send, subscribe) -> None:
    for name in ROWS:
        assert (await subscribe(name)).token not in str(await send(name))
