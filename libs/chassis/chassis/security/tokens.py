"""Verification of the access tokens that users send."""

import hashlib
import time
from collections.abc import Callable, Sequence

from chassis.errors import Unauthorized
from chassis.security.claims import Claims, check_claims, read_claims
from chassis.security.jwt import TokenKind, UncheckedToken, take_apart
from chassis.security.keys import KeySource, VerificationKey
from chassis.ttl_memory import TtlMemory

REMEMBERED_TOKENS = 10_000


class TokenVerifier:
    """Accepts access tokens of one issuer for one audience, signed with a key of one of `keys`.

    Verified ones are remembered for `remember_seconds` (an HS256 check costs 0.08 ms, an ES256 check more), never past
    their expiry. `clock` is the wall clock: tokens carry dates.
    """

    def __init__(
        self,
        keys: Sequence[KeySource],
        *,
        issuer: str,
        audience: str,
        remember_seconds: float = 5,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._remembered: TtlMemory[bytes, Claims] = TtlMemory(REMEMBERED_TOKENS, remember_seconds)

    async def verify(self, token: str) -> Claims:
        """Raises Unauthorized for whatever is wrong with the token, and Unavailable while a source has no keys yet."""
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        remembered = self._remembered.get(digest, None)
        claims = remembered or await self._verify_signature(token)
        check_claims(claims, issuer=self._issuer, audience=self._audience, now=self._clock())
        if remembered is None:  # not renewed by use: a key that was withdrawn must stop working
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
        for source in self._keys:
            if (key := await source.find(token.kid, token.algorithm)) is not None:
                return key
        return None
