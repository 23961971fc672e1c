"""OAuth 2.0 access tokens for the SMTP login XOAUTH2, from a refresh token (RFC 6749, section 6)."""

import time
from collections.abc import Callable
from typing import Annotated

from aiohttp import ClientError, ClientTimeout, TCPConnector
from pydantic import BaseModel, Field, ValidationError

from chassis.http.client import plain_session
from chassis.process.single_flight import SingleFlight
from delivery.outcomes import AccountRefused, ProviderDown
from email_service.senders.smtp.dialogue import NoConnection
from email_service.senders.smtp.provider import OAuthRefresh

RENEW_SECONDS = 120.0  # before expiry
TIMEOUT_SECONDS = 15.0
MAX_ANSWER = 64 * 1024  # bytes
REFUSALS = frozenset({400, 401, 403})


class _Grant(BaseModel):
    access_token: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]
    expires_in: Annotated[float, Field(gt=0)] = 3600.0


class OAuthAccessTokens:
    """One access token, shared by all connections. One of them renews it. `clock` is monotonic."""

    def __init__(self, account: OAuthRefresh, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._account = account
        self._clock = clock
        self._token = ""
        self._renew_at = float("-inf")
        self._renewal: SingleFlight[None, str] = SingleFlight()

    async def get(self) -> str:
        """Raises NoConnection."""
        if self._clock() < self._renew_at:
            return self._token
        return await self._renewal.run(None, self._renew)

    def forget(self, token: str) -> None:
        """The mail server refused `token`: the next `get` fetches another one."""
        if token == self._token:
            self._renew_at = float("-inf")

    async def close(self) -> None:
        await self._renewal.close()

    async def _renew(self) -> str:
        grant = await self._fetch()
        self._token = grant.access_token
        self._renew_at = self._clock() + grant.expires_in - min(RENEW_SECONDS, grant.expires_in / 2)
        return self._token

    async def _fetch(self) -> _Grant:
        account = self._account
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
            return _Grant.model_validate_json(body if status == 200 else b"")
        except ValidationError:
            raise NoConnection(ProviderDown("credentials_unavailable", f"HTTP {status}")) from None
