"""OAuth2 access tokens for a service account, by the JWT-bearer grant (RFC 7523).

Source: developers.google.com/identity/protocols/oauth2/service-account ("HTTP/REST").
"""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlencode

from jose import jws
from pydantic import BaseModel, Field, ValidationError

from delivery.outcomes import AccountRefused, ProviderDown
from push_service.senders.http_client import Failed, HttpAnswer, HttpClient
from push_service.senders.retry_after import retry_after
from push_service.service_account import SIGNATURE, ServiceAccount

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
ASSERTION_SECONDS = 3600  # the longest that Google takes
RENEW_SECONDS = 300.0  # before expiry
PAUSE_SECONDS = 10.0  # between attempts at renewing a token that is still good
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REFUSALS = frozenset({400, 401, 403})


class NoAccessToken(Exception):
    """Nothing can be sent now, and nothing was."""

    def __init__(self, outcome: ProviderDown) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


class _Grant(BaseModel):
    access_token: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]
    expires_in: Annotated[float, Field(gt=0)]


class _Refusal(BaseModel):
    error: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")] = ""


class AccessTokens:
    """One access token, shared by all attempts in flight and renewed by one of them. `clock` is monotonic."""

    def __init__(
        self, account: ServiceAccount, http: HttpClient, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._account = account
        self._http = http
        self._clock = clock
        self._token = ""
        self._renew_at = self._expires_at = float("-inf")
        self._renewal: asyncio.Task[str] | None = None

    async def get(self) -> str:
        """Raises NoAccessToken."""
        if self._clock() < self._renew_at:
            return self._token
        if self._renewal is None:  # hundreds of attempts may find it old together: they share one renewal
            self._renewal = asyncio.create_task(self._renew())
            self._renewal.add_done_callback(self._renewed)
        return await asyncio.shield(self._renewal)

    def forget(self, token: str) -> None:
        """The provider refused `token`: the next `get` fetches another, unless somebody's did already."""
        if token == self._token:
            self._renew_at = self._expires_at = float("-inf")

    async def close(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])

    async def _renew(self) -> str:
        try:
            grant = await self._fetch()
        except NoAccessToken:
            if self._clock() >= self._expires_at:
                raise
            self._renew_at = min(self._clock() + PAUSE_SECONDS, self._expires_at)
            return self._token
        self._token = grant.access_token
        self._expires_at = self._clock() + grant.expires_in
        self._renew_at = self._expires_at - min(RENEW_SECONDS, grant.expires_in / 2)
        return self._token

    def _renewed(self, task: asyncio.Task[str]) -> None:
        self._renewal = None
        if not task.cancelled():
            task.exception()  # seen, even when everybody who waited for it was cancelled

    async def _fetch(self) -> _Grant:
        form = {"grant_type": GRANT_TYPE, "assertion": self._assertion()}
        try:
            answer = await self._http.post(self._account.token_uri, urlencode(form).encode(), FORM)
        except Failed as error:
            raise _unavailable(error.reason) from error
        if answer.status in REFUSALS:
            raise NoAccessToken(AccountRefused("credentials_refused", _reason(answer)))
        try:
            return _Grant.model_validate_json(answer.content if answer.status == 200 else b"")
        except ValidationError:
            raise _unavailable(f"HTTP {answer.status}", retry_after(answer.headers)) from None

    def _assertion(self) -> str:
        now = int(time.time())
        claims = {
            "iss": self._account.client_email,
            "scope": SCOPE,
            "aud": self._account.token_uri,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }
        headers = {"kid": self._account.private_key_id}
        return jws.sign(claims, self._account.signing_key, headers=headers, algorithm=SIGNATURE)


def _unavailable(detail: str, after: float | None = None) -> NoAccessToken:
    return NoAccessToken(ProviderDown("credentials_unavailable", detail, after))


def _reason(answer: HttpAnswer) -> str:
    """OAuth's own word (`invalid_grant`, ...); its description may quote the account."""
    try:
        return _Refusal.model_validate_json(answer.content).error or f"HTTP {answer.status}"
    except ValidationError:
        return f"HTTP {answer.status}"
