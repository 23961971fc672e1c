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

from delivery.access_token import REFUSALS, AccessToken, Grant
from delivery.channel import NotReady
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
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class NoAccessToken(NotReady):
    """Nothing can be sent, and nothing was sent."""


class _Refusal(BaseModel):
    error: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")] = ""


def google_access_token(
    account: ServiceAccount, http: HttpClient, *, clock: Callable[[], float] = time.monotonic
) -> AccessToken:
    """The account's token. `get` raises NoAccessToken."""
    return AccessToken(lambda: _fetch(account, http), renew_seconds=RENEW_SECONDS, clock=clock)


async def _fetch(account: ServiceAccount, http: HttpClient) -> Grant:
    form = {"grant_type": GRANT_TYPE, "assertion": _assertion(account)}
    try:
        answer = await http.post(account.token_uri, urlencode(form).encode(), FORM)
    except Failed as error:
        raise _unavailable(error.reason) from error
    if answer.status in REFUSALS:
        raise NoAccessToken(AccountRefused("credentials_refused", _reason(answer)))
    try:
        return Grant.model_validate_json(answer.content if answer.status == 200 else b"")
    except ValidationError:
        raise _unavailable(f"HTTP {answer.status}", retry_after(answer.headers)) from None


def _assertion(account: ServiceAccount) -> str:
    now = int(time.time())
    claims = {
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
    }
    headers = {"kid": account.private_key_id}
    return jws.sign(claims, account.signing_key, headers=headers, algorithm=SIGNATURE)


def _unavailable(detail: str, after: float | None = None) -> NoAccessToken:
    return NoAccessToken(ProviderDown("credentials_unavailable", detail, after))


def _reason(answer: HttpAnswer) -> str:
    """OAuth's error code (`invalid_grant`, ...). Its description is not used, because it may contain the account."""
    try:
        return _Refusal.model_validate_json(answer.content).error or f"HTTP {answer.status}"
    except ValidationError:
        return f"HTTP {answer.status}"
