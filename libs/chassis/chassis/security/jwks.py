"""Another service's public keys, fetched from its JWKS document and cached."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

import structlog
from jose import jwk
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from chassis.errors import Unavailable
from chassis.process.single_flight import SingleFlight
from chassis.security.keys import Algorithm, VerificationKey

log = structlog.get_logger()

BETWEEN_FETCHES_SECONDS = 30.0  # invented kids must not cause a request to the owner of the keys each
FIRST_FETCH_SECONDS = 2.0  # the same, while there are no keys at all
MAX_AGE_SECONDS = 600.0  # a withdrawn key is trusted for at most this time while its owner answers
FETCH_SECONDS = 5.0
MAX_BYTES = 65_536

Coordinate = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]


class _Jwk(BaseModel):
    """A public P-256 key for signatures, and nothing else."""

    model_config = ConfigDict(strict=True, frozen=True)

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: Coordinate
    y: Coordinate
    kid: Annotated[str, Field(min_length=1, max_length=128)]
    alg: Literal["ES256"] = "ES256"
    use: Literal["sig"] = "sig"
    d: None = None  # a private key in a public document is a mistake, and is not used


class _Document(BaseModel):
    keys: Annotated[list[JsonValue], Field(max_length=32)]


class Jwks:
    """ES256 keys by kid. None of them can be used as an HMAC secret.

    `fetch` returns the document's bytes and may raise. It is called at the first use, every ten minutes, and for an unknown
    kid, but at most every 30 s and never twice at the same time. If it fails, the cached keys stay in use. `clock` is
    monotonic.
    """

    def __init__(self, fetch: Callable[[], Awaitable[bytes]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self.clock = clock
        self._keys: dict[str, VerificationKey] = {}
        self._tried_at = self._fetched_at = float("-inf")
        self._refreshing: SingleFlight[None, None] = SingleFlight()

    async def find(self, kid: str, algorithm: Algorithm) -> VerificationKey | None:
        """Raises Unavailable if there are no keys at all: a valid token must not be called invalid."""
        if algorithm != "ES256":
            return None
        refresh = self._refresh_if_due(kid)
        if refresh is not None and kid not in self._keys:  # a known key stays in use during a refresh
            await asyncio.shield(refresh)
        if not self._keys:
            raise Unavailable(retry_after=int(FIRST_FETCH_SECONDS))
        return self._keys.get(kid)

    def _refresh_if_due(self, kid: str) -> "asyncio.Task[None] | None":
        """The running refresh. Starts one if it is due."""
        refresh = self._refreshing.under_way(None)
        if refresh is None and self._is_due(kid):
            self._tried_at = self.clock()
            refresh = self._refreshing.start(None, self._refresh)
        return refresh

    def _is_due(self, kid: str) -> bool:
        since_try = self.clock() - self._tried_at
        if not self._keys:
            return since_try >= FIRST_FETCH_SECONDS
        old = self.clock() - self._fetched_at >= MAX_AGE_SECONDS
        return since_try >= BETWEEN_FETCHES_SECONDS and (old or kid not in self._keys)

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = parse_jwks(await self._fetch())
            self._fetched_at = self.clock()
        except Exception as error:  # noqa: BLE001 - after any error of the fetch, the cached keys are better than none
            log.warning("jwks.refresh_failed", error=type(error).__name__, keys=len(self._keys))


def parse_jwks(document: bytes) -> dict[str, VerificationKey]:
    """The usable keys by kid. Other keys are ignored, as RFC 7517 requires. Raises ValueError if no key is usable."""
    if len(document) > MAX_BYTES:
        raise ValueError("the key set is too large")
    found = [_usable(entry) for entry in _Document.model_validate_json(document).keys]
    keys = dict(pair for pair in found if pair is not None)
    if not keys:
        raise ValueError("the key set has no usable key")
    return keys


def _usable(entry: JsonValue) -> tuple[str, VerificationKey] | None:
    try:
        key = _Jwk.model_validate(entry)
        point = {"kty": key.kty, "crv": key.crv, "x": key.x, "y": key.y}
        return key.kid, VerificationKey("ES256", jwk.construct(point, "ES256"))
    except (ValidationError, ValueError):  # ValueError: the point is not on the curve
        return None
