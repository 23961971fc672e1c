"""Who calls: a user with an access token, or an API key on its owner's behalf."""

import asyncio
from dataclasses import dataclass
from typing import Literal, Protocol

from chassis.errors import TooManyRequests, Unauthorized
from chassis.ratelimit import LocalRateLimiter
from chassis.security.claims import Claims, Role
from chassis.security.credentials import ApiKey, BearerToken, credential_of
from chassis.security.revocation import RevokedTokens
from chassis.security.tokens import TokenVerifier

ADMIN_SCOPE = "admin"


KEY_CALLER = "key:"  # how the caller of an application begins
TEST_CALLER = "test:"  # how the caller of a test key begins


def is_test_caller(caller: str) -> bool:
    """Whether what that caller sends goes to no provider."""
    return caller.startswith(TEST_CALLER)


def callers_of_application(application_id: object) -> list[str]:
    """What an application's live and test keys call by (`Identity.caller`)."""
    return [f"{kind}{application_id}" for kind in (KEY_CALLER, TEST_CALLER)]


def application_of(caller: str) -> str | None:
    """The id of the application that it is; None: a person, or a service of ours."""
    for prefix in (KEY_CALLER, TEST_CALLER):
        if caller.startswith(prefix):
            return caller.removeprefix(prefix)
    return None


@dataclass(frozen=True, slots=True)
class Sender:
    """In whose name an application's e-mails go. What it does not say is the deployment's."""

    from_name: str | None = None
    from_email: str | None = None
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """`subject` is the user's id, or the API key's; `user_id` is the user, or the owner of the key's application.

    Of an API key: `application_id`, when the key ends (`expires_at`, in seconds since 1970), how many requests its
    application has in a minute (`rate_limit`, None: what everybody has), on which `channels` it may send (None: on
    all), as which `sender` (None: the deployment's). `test`: what it sends is its application's too, but apart from the
    rest, and goes to no provider.
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
        """Names the caller for rate limits and idempotency keys: `user:<id>`, `key:<id of the application>`, and
        `test:<id of the application>` of test keys.

        Whatever key of an application is used: keys can be rotated. Applications that were made of keys have their ids, so
        what was sent before there were any is still theirs.
        """
        if self.kind == "user":
            return f"user:{self.subject}"
        return f"{TEST_CALLER if self.test else KEY_CALLER}{self.application_id or self.subject}"

    @property
    def is_admin(self) -> bool:
        """A key is an administrator's by its scope only: an administrator's narrow key stays narrow."""
        return self.role == "admin" if self.kind == "user" else ADMIN_SCOPE in self.scopes

    def allows(self, scope: str) -> bool:
        """Administrators may do everything, others exactly what their token or key lists. There are no wildcards."""
        return self.is_admin or (scope != ADMIN_SCOPE and scope in self.scopes)


class ApiKeyDirectory(Protocol):
    """Knows API keys: the user service from its database, others through `RemoteApiKeys`."""

    async def find(self, key: str) -> Identity | None:
        """Whose key that is; None when it is nobody's. Raises Unavailable when that cannot be known now."""

    def remembers(self, key: str) -> bool:
        """Whether `find` asks nobody for it."""


class Authenticator:
    """Turns a request's credentials into an identity. Without `revoked`, tokens are good until they expire.

    `unknown_keys` bounds how many keys that nobody knows an address may show: invented ones cost no more look-ups than that.
    Beyond it, keys that this process remembers are good from there as ever.
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
        """From the values of `Authorization` and `X-API-Key`; when both are there, only the first counts. `address` is where
        they come from.

        Raises Unauthorized (with `WWW-Authenticate: Bearer`), Unavailable when the owner of the keys is away, and
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
