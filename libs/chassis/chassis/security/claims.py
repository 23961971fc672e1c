"""What a verified token says."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chassis.errors import Unauthorized
from chassis.security.jwt import TokenKind

Role = Literal["admin", "user"]
CLOCK_SKEW_SECONDS = 60  # how far ahead of ours the issuer's clock may be; `exp` gets no such grace

Name = Annotated[str, Field(min_length=1, max_length=256)]
Second = Annotated[int, Field(gt=0, lt=2**40)]  # strict: no booleans, no fractions, nothing that overflows a date


class _Payload(BaseModel):
    """The claims we read, with their types; further ones are ignored, as RFC 7519 asks."""

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
    """Times in whole seconds since 1970. `scopes` come from `scope`, a text with blanks between (RFC 8693).

    Tokens are revoked by their `session_id`; those of the release before have none, and it revokes by `token_id`.
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
    """A verified token's claims. Raises Unauthorized when a required one is missing or one is of another type."""
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
