"""The caller: a user with an access token, or an API key that acts for its owner."""

import asyncio
from dataclasses import dataclass
from typing import Literal, Protocol

from chassis.errors import TooManyRequests, Unauthorized
from chassis.redis.rate_limit import LocalRateLimiter
from chassis.security.credentials import ApiKey, BearerToken, credential_of
from chassis.security.revocation import RevokedTokens
from chassis.security.tokens import Claims, Role, TokenVerifier

ADMIN_SCOPE = "admin"


KEY_CALLER = "key:"  # the prefix of an application's caller name
TEST_CALLER = "test:"  # the prefix of a test key's caller name


def is_test_caller(caller: str) -> bool:
    """Whether this caller's notifications go to no provider."""
    return caller.startswith(TEST_CALLER)


def callers_of_application(application_id: object) -> list[str]:
    """The caller names of an application's live and test keys (`Identity.caller`)."""
    return [f"{kind}{application_id}" for kind in (KEY_CALLER, TEST_CALLER)]


def application_of(caller: str) -> str | None:
    """The id of the application. None if the caller is a person or one of our services."""
    for prefix in (KEY_CALLER, TEST_CALLER):
        if caller.startswith(prefix):
            return caller.removeprefix(prefix)
    return None


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of an application's e-mails. The deployment's settings apply to fields that are not set."""

    from_name: str | None = None
    from_email: str | None = None
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """`subject` is the id of the user or of the API key. `user_id` is the user, or the owner of the key's application.

    For an API key: `application_id`; `expires_at`, the end of the key in seconds since 1970; `rate_limit`, the requests per
    minute of its application (None: the default); `channels`, the channels it may send on (None: all); `sender`, the sender
    it sends as (None: the deployment's). With `test`, its notifications belong to its application but are kept separate, and
    go to no provider.
    """

    kind: Literal["user", "api_key"]
    subject: str
    user_id: str
    role: Role
    scopes: frozenset[str]
    expires_at: float | None = None
    application_id: str | None = None
    rate_limit: int | None = None
    channels: frozenset[str] | None = None
    test: bool = False
    sender: Sender | None = None

    @property
    def caller(self) -> str:
        """The caller's name for rate limits and idempotency keys.

        It is `user:<id>`, `key:<id of the application>`, or `test:<id of the application>` for test keys. All keys of an
        application share it, so keys can be rotated. Applications that were created from keys have the ids of those keys,
        so they still own what was sent before applications existed.
        """
        if self.kind == "user":
            return f"user:{self.subject}"
        return f"{TEST_CALLER if self.test else KEY_CALLER}{self.application_id or self.subject}"

    @property
    def is_admin(self) -> bool:
        """A key is an administrator's key only by its scope: an administrator's restricted key stays restricted."""
        return self.role == "admin" if self.kind == "user" else ADMIN_SCOPE in self.scopes

    def allows(self, scope: str) -> bool:
        """Administrators may do everything. Others may do exactly what their token or key lists. There are no wildcards."""
        return self.is_admin or (scope != ADMIN_SCOPE and scope in self.scopes)


class ApiKeyDirectory(Protocol):
    """Looks up API keys: the user service in its database, other services through `RemoteApiKeys`."""

    async def find(self, key: str) -> Identity | None:
        """The identity of the key, or None for an unknown key. Raises Unavailable if the look-up is not possible now."""

    def remembers(self, key: str) -> bool:
        """Whether `find` can answer for this key without a look-up."""


class Authenticator:
    """Turns a request's credentials into an identity. Without `revoked`, tokens are valid until they expire.

    `unknown_keys` limits how many unknown keys one address may send, and so how many look-ups invented keys can cause. Above
    the limit, keys that this process remembers are still accepted from that address.
    """

    def __init__(
        self,
        tokens: TokenVerifier,
        api_keys: ApiKeyDirectory,
        revoked: RevokedTokens | None,
        *,
        unknown_keys: LocalRateLimiter | None = None,
    ) -> None:
        self._tokens = tokens
        self._api_keys = api_keys
        self._revoked = revoked
        self._unknown_keys = unknown_keys

    async def authenticate(self, authorization: str | None, api_key: str | None, *, address: str = "") -> Identity:
        """Takes the values of `Authorization` and `X-API-Key`. If both are present, only the first counts. `address` is the
        client's address.

        Raises Unauthorized (with `WWW-Authenticate: Bearer`), Unavailable if the owner of the keys is down, or
        TooManyRequests.
        """
        match credential_of(authorization, api_key):
            case BearerToken(token):
                return await self._of_token(token)
            case ApiKey(key):
                return await self._of_api_key(key, address)

    async def _of_token(self, token: str) -> Identity:
        claims = await self._tokens.verify(token)
        names = [name for name in (claims.session_id, claims.token_id) if name is not None]
        if self._revoked and any(await asyncio.gather(*map(self._revoked.is_revoked, names))):
            raise Unauthorized("The token was revoked", code="token_revoked")
        return _user(claims)

    async def _of_api_key(self, key: str, address: str) -> Identity:
        if self._unknown_keys is not None and not self._api_keys.remembers(key):
            decision = self._unknown_keys.would(address)
            if not decision.allowed:
                raise TooManyRequests("Too many unknown API keys from this address", headers=decision.headers())
        identity = await self._api_keys.find(key)
        if identity is None:
            if self._unknown_keys is not None:
                self._unknown_keys.check(address)
            raise Unauthorized
        return identity


def _user(claims: Claims) -> Identity:
    return Identity("user", claims.subject, claims.subject, claims.role, claims.scopes)
