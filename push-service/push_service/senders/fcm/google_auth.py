"""The service account that sends, and its OAuth2 access tokens from the JWT-bearer grant (RFC 7523)."""

import time
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Literal
from urllib.parse import urlencode, urlsplit

from jose import jwk, jws
from jose.backends.base import Key
from jose.exceptions import JWKError
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from chassis.process.single_flight import SingleFlight
from delivery.outcomes import AccountRefused, ProviderDown
from push_service.senders.http_client import Failed, HttpAnswer, HttpClient
from push_service.senders.retry_after import retry_after

SIGNATURE = "RS256"


class ServiceAccount(BaseModel):
    """Google's field names. `project_id` becomes part of a path, so only the characters that Google allows are accepted."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Literal["service_account"]
    project_id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9.:\-]{0,99}$")]
    private_key_id: str = ""
    private_key: SecretStr
    client_email: Annotated[str, Field(min_length=3)]
    token_uri: str

    @cached_property
    def signing_key(self) -> Key:
        """Raises JWKError if the key cannot make RSA signatures."""
        key = jwk.construct(self.private_key.get_secret_value(), SIGNATURE)
        key.sign(b"a public or a foreign kind of key is found out here, not at the first notification")
        return key


def read_service_account(text: str | bytes) -> ServiceAccount:
    """Raises ValueError if the file is not a service account's key. The message contains no value of the file."""
    try:
        account = ServiceAccount.model_validate_json(text)
    except ValidationError as error:
        fields = {".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False)}
        raise ValueError(
            f"is not a service account's key: see {', '.join(sorted(fields - {''})) or 'its JSON'}"
        ) from None
    try:
        _ = account.signing_key
    except JWKError:
        raise ValueError("is not a service account's key: private_key is no RSA private key") from None
    return account


def is_plain_http(url: str) -> bool:
    """Raises ValueError unless it is an absolute http or https URL without credentials, query or fragment."""
    parts = urlsplit(url)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        raise ValueError("is no http(s) URL")
    return parts.scheme == "http"


def is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}


# OAuth2 access tokens for a service account, from the JWT-bearer grant (RFC 7523).
#
# Source: developers.google.com/identity/protocols/oauth2/service-account ("HTTP/REST").

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
ASSERTION_SECONDS = 3600  # Google's maximum
RENEW_SECONDS = 300.0  # before expiry
PAUSE_SECONDS = 10.0  # between attempts to renew a token that is still valid
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REFUSALS = frozenset({400, 401, 403})


class NoAccessToken(Exception):
    """Nothing can be sent, and nothing was sent."""

    def __init__(self, outcome: ProviderDown) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


class _Grant(BaseModel):
    access_token: Annotated[str, Field(pattern=r"^[\x21-\x7e]+$")]
    expires_in: Annotated[float, Field(gt=0)]


class _Refusal(BaseModel):
    error: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")] = ""


class GoogleAccessTokens:
    """One access token, shared by all attempts in progress. One of them renews it. `clock` is monotonic."""

    def __init__(
        self, account: ServiceAccount, http: HttpClient, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._account = account
        self._http = http
        self._clock = clock
        self._token = ""
        self._renew_at = self._expires_at = float("-inf")
        self._renewal: SingleFlight[None, str] = SingleFlight()

    async def get(self) -> str:
        """Raises NoAccessToken."""
        if self._clock() < self._renew_at:
            return self._token
        return await self._renewal.run(None, self._renew)

    def forget(self, token: str) -> None:
        """The provider refused `token`: the next `get` fetches another one, unless another attempt has done so already."""
        if token == self._token:
            self._renew_at = self._expires_at = float("-inf")

    async def close(self) -> None:
        await self._renewal.close()

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
    """OAuth's error code (`invalid_grant`, ...). Its description is not used, because it may contain the account."""
    try:
        return _Refusal.model_validate_json(answer.content).error or f"HTTP {answer.status}"
    except ValidationError:
        return f"HTTP {answer.status}"
