"""Every answer of APNs, over HTTP/2, and what it means for a delivery."""

import pytest

from delivery.outcomes import AccountRefused, Ambiguous, Defect, Permanent, RetryLater, Sent

DEAD = {"dead_recipient": True}
ROWS = {
    "abcd": Sent("00000000-0000-0000-0000-000000000001"),
    "e410001": Permanent("invalid_token", "HTTP 410 Unregistered", **DEAD),
    "e410101": Permanent("invalid_token", "HTTP 410 ExpiredToken", **DEAD),
    "e400001": Permanent("bad_device_token", "HTTP 400 BadDeviceToken"),
    "e400101": Permanent("sender_mismatch", "HTTP 400 DeviceTokenNotForTopic"),
    "e400201": Permanent("rejected", "HTTP 400 BadCollapseId"),
    "e400301": AccountRefused("provider_refused", "HTTP 400 TopicDisallowed"),
    "e400401": RetryLater("provider_unavailable", "HTTP 400 IdleTimeout"),
    "e400501": AccountRefused("provider_refused", "HTTP 400 BadTopic"),
    "e400601": AccountRefused("provider_refused", "HTTP 400 MissingTopic"),
    "e403001": Sent("00000000-0000-0000-0000-000000000001"),  # with another token
    "e403002": AccountRefused("credentials_refused", "HTTP 403 ExpiredProviderToken"),
    "e403101": AccountRefused("credentials_refused", "HTTP 403 InvalidProviderToken"),
    "e403201": AccountRefused("credentials_refused", "HTTP 403 BadEnvironmentKeyInToken"),
    "e404001": AccountRefused("provider_refused", "HTTP 404 BadPath"),
    "e405001": AccountRefused("provider_refused", "HTTP 405 MethodNotAllowed"),
    "e408001": RetryLater("provider_unavailable", "HTTP 408"),
    "e413001": Permanent("payload_too_large", "HTTP 413 PayloadTooLarge"),
    "e418001": Defect("unexpected_answer", "HTTP 418"),
    "e429001": RetryLater("rate_limited", "HTTP 429 TooManyRequests", 60.0),
    "e429101": RetryLater("rate_limited", "HTTP 429 TooManyProviderTokenUpdates", 60.0),
    "e500001": RetryLater("provider_error", "HTTP 500 InternalServerError"),
    "e502001": Ambiguous("no_answer", "HTTP 502"),
    "e503001": RetryLater("provider_unavailable", "HTTP 503 ServiceUnavailable"),
    "e503101": RetryLater("provider_unavailable", "HTTP 503 Shutdown"),
    "e307001": AccountRefused("provider_refused", "HTTP 307"),
    "e200001": Ambiguous("unreadable_answer", "HTTP 200"),
}


@pytest.mark.parametrize("token", ROWS)
async def test_an_answer_means(send, token: str) -> None:
    assert await send(token) == ROWS[token]


@pytest.mark.parametrize("token", [token for token in ROWS if token.startswith("e")])
async def test_a_temporary_refusal_is_accepted_the_next_time(send, token: str) -> None:
    await send(token)
    assert isinstance(await send(token), Sent)


async def test_no_token_is_in_a_detail(send) -> None:
    for token in ROWS:
        assert token not in str(await send(token))
