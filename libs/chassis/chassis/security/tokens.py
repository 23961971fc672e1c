"""Access tokens: their claims and their verification."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chassis.errors import Unauthorized
from chassis.process.ttl_memory import TtlMemory
from chassis.security.jwt import TokenKind, UncheckedToken, take_apart
from chassis.security.keys import KeySource, VerificationKey

Role = Literal["admin", "user"]
CLOCK_SKEW_SECONDS = 60  # how far the issuer's clock may be ahead of ours; `exp` gets no tolerance

Name = Annotated[str, Field(min_length=1, max_length=256)]
Second = Annotated[int, Field(gt=0, lt=2**40)]  # strict: no booleans, no fractions, no value that overflows a date


class _Payload(BaseModel):
    """The claims that we read, with their types. Further claims are ignored, as RFC 7519 requires."""

    model_config = ConfigDict(strict=True, frozen=True)

    iss: Name
    sub: Name
    aud: Name
    iat: Second
    exp: Second
    nbf: Second | None = None
    jti: Name | None = None
    sid: Name | None = None
    role: Role = "user"
    scope: Annotated[str, Field(max_length=2048)] = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """Times are whole seconds since 1970. `scopes` come from `scope`, a text separated by spaces (RFC 8693).

    Tokens are revoked by `session_id`. Tokens of the previous release have no session id; that release revokes by `token_id`.
    """

    subject: str
    issuer: str
    audience: str
    issued_at: int
    expires_at: int
    not_before: int
    token_id: str | None
    session_id: str | None
    role: Role
    scopes: frozenset[str]
    kind: TokenKind


def read_claims(payload: bytes, kind: TokenKind) -> Claims:
    """A verified token's claims. Raises Unauthorized if a required claim is missing or a claim has the wrong type."""
    try:
        claims = _Payload.model_validate_json(payload)
    except ValidationError:
        raise Unauthorized from None
    return Claims(
        subject=claims.sub,
        issuer=claims.iss,
        audience=claims.aud,
        issued_at=claims.iat,
        expires_at=claims.exp,
        not_before=claims.nbf or claims.iat,
        token_id=claims.jti,
        session_id=claims.sid,
        role=claims.role,
        scopes=frozenset(claims.scope.split()),
        kind=kind,
    )


def check_claims(claims: Claims, *, issuer: str, audience: str, now: float) -> None:
    """Raises Unauthorized unless the token is from `issuer`, for `audience`, and valid at `now`."""
    begins = max(claims.issued_at, claims.not_before) - CLOCK_SKEW_SECONDS
    if claims.issuer != issuer or claims.audience != audience or now < begins:
        raise Unauthorized
    if claims.expires_at <= now:
        raise Unauthorized("The token has expired", code="token_expired")


REMEMBERED_TOKENS = 10_000


class TokenVerifier:
    """Accepts access tokens of one issuer for one audience, signed with a key of one of `key_sources`.

    A verified token is cached for `remember_seconds` (an HS256 check costs 0.08 ms, an ES256 check more), but never beyond
    its expiry. `clock` is the wall clock, because tokens carry dates.
    """

    def __init__(
        self,
        key_sources: Sequence[KeySource],
        *,
        issuer: str,
        audience: str,
        remember_seconds: float = 5,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key_sources = key_sources
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._remembered: TtlMemory[bytes, Claims] = TtlMemory(REMEMBERED_TOKENS, remember_seconds)

    async def verify(self, token: str) -> Claims:
        """Raises Unauthorized for an invalid token, and Unavailable while a source has no keys yet."""
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        remembered = self._remembered.get(digest, None)
        claims = remembered or await self._verify_signature(token)
        check_claims(claims, issuer=self._issuer, audience=self._audience, now=self._clock())
        if remembered is None:  # use does not renew the entry: a withdrawn key must stop working
            self._remembered.put(digest, claims)
        return claims

    async def _verify_signature(self, token: str) -> Claims:
        unchecked = take_apart(token, TokenKind.ACCESS)
        key = await self._key_for(unchecked)
        if key is None or key.algorithm != unchecked.algorithm:
            raise Unauthorized
        if not key.verifies(unchecked.signed, unchecked.signature):
            raise Unauthorized
        return read_claims(unchecked.payload, TokenKind.ACCESS)

    async def _key_for(self, token: UncheckedToken) -> VerificationKey | None:
        for source in self._key_sources:
            if (key := await source.find(token.kid, token.algorithm)) is not None:
                return key
        return None
