"""OAuth 2.0 access tokens for the SMTP login XOAUTH2, from a refresh token (RFC 6749, section 6)."""

import time
from collections.abc import Callable

from aiohttp import ClientError, ClientTimeout, TCPConnector
from pydantic import ValidationError

from chassis.http.client import plain_session
from delivery.access_token import REFUSALS, AccessToken, Grant
from delivery.outcomes import AccountRefused, ProviderDown
from email_service.senders.smtp.dialogue import NoConnection
from email_service.senders.smtp.provider import OAuthRefresh

RENEW_SECONDS = 120.0  # before expiry
TIMEOUT_SECONDS = 15.0
MAX_ANSWER = 64 * 1024  # bytes


def oauth_token(account: OAuthRefresh, *, clock: Callable[[], float] = time.monotonic) -> AccessToken:
    """The account's token, shared by all connections. `get` raises NoConnection."""
    return AccessToken(lambda: _fetch(account), renew_seconds=RENEW_SECONDS, clock=clock)


async def _fetch(account: OAuthRefresh) -> Grant:
    form = {
        "grant_type": "refresh_token",
        "refresh_token": account.refresh_token.get_secret_value(),
        "client_id": account.client_id,
        "client_secret": account.client_secret.get_secret_value(),
    }
    try:
        async with (
            plain_session(TCPConnector(limit=1), ClientTimeout(total=TIMEOUT_SECONDS)) as session,
            session.post(account.token_url, data=form, allow_redirects=False) as answer,
        ):
            status, body = answer.status, await answer.content.read(MAX_ANSWER)
    except (ClientError, OSError) as error:  # TimeoutError is an OSError
        raise NoConnection(ProviderDown("credentials_unavailable", type(error).__name__)) from error
    if status in REFUSALS:
        raise NoConnection(AccountRefused("credentials_refused", f"HTTP {status}"))
    try:
        return Grant.model_validate_json(body if status == 200 else b"")
    except ValidationError:
        raise NoConnection(ProviderDown("credentials_unavailable", f"HTTP {status}")) from None
