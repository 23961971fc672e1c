"""Fetches a file from a URL of a stranger: whole or not at all, in bounded memory, without following redirects."""

import re
from collections.abc import Callable
from typing import NamedTuple

from aiohttp import (
    ClientConnectorCertificateError,
    ClientError,
    ClientPayloadError,
    ClientResponse,
    ClientTimeout,
    InvalidURL,
    TCPConnector,
)
from aiohttp.abc import AbstractResolver
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from chassis.http.client import plain_session
from chassis.http.public_addresses import NotPublic, public_connector

# Tiny chunks use up the event loop's time: seven million chunks of one byte take half a minute.
MAX_PIECES, FEWEST_BYTES = 8_000, 512
TIMEOUT = ClientTimeout(total=None, sock_connect=3.0, sock_read=5.0)  # the whole time is the caller's to bound
NO_ANSWER = (ClientError, HttpProcessingError, OSError, ValueError)  # ValueError: a host name that cannot be one
_ASCII_URL = re.compile(r"https?://[\x21-\x7e]+", re.IGNORECASE)
_UNUSABLE = "is no URL that can be fetched"


class NotFetched(Exception):
    """`reason` completes a sentence about the URL, without quoting it: "was answered with 404"."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Fetched(NamedTuple):
    content: bytes
    media_type: str  # the answer's Content-Type, in lower case


def read_url(text: str) -> URL:
    """The URL, which is sent as it is written: signatures depend on it. Raises ValueError without the text in it."""
    if _ASCII_URL.fullmatch(text) is None:
        raise ValueError("must be an https URL of ASCII characters without blanks")
    try:
        url = URL(text, encoded=True)
        named = bool(url.host) and url.port is not None
    except ValueError:
        named = False
    if not named:
        raise ValueError(_UNUSABLE)
    if url.raw_user is not None or url.raw_password is not None:
        raise ValueError("must have no user name and no password")
    return url


class UrlFetcher:
    """`connector` decides which addresses can be reached. It is called for each file, in a running event loop."""

    def __init__(self, connector: Callable[[], TCPConnector], *, schemes: frozenset[str]) -> None:
        self._connector = connector
        self._schemes = schemes

    @classmethod
    def of_public(cls, resolver: AbstractResolver) -> "UrlFetcher":
        """From public addresses, through https."""
        return cls(lambda: public_connector(resolver), schemes=frozenset({"https"}))

    @classmethod
    def of_any(cls, resolver: AbstractResolver) -> "UrlFetcher":
        """From every address, also through http: for development."""
        return cls(
            lambda: TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True),
            schemes=frozenset({"http", "https"}),
        )

    async def fetch(self, text: str, *, max_bytes: int) -> Fetched:
        """Raises NotFetched. The caller sets the deadline."""
        try:
            url = read_url(text)
        except ValueError:
            raise NotFetched(_UNUSABLE) from None
        if url.scheme not in self._schemes:
            raise NotFetched("must begin with https://")
        try:
            async with (
                plain_session(self._connector(), TIMEOUT) as session,
                session.get(url, allow_redirects=False) as answer,
            ):
                return await _read(answer, max_bytes)
        except NO_ANSWER as error:
            raise NotFetched(_reason(error)) from None  # the error contains the URL


def _reason(error: Exception) -> str:
    match error:
        case NotPublic() | ClientError(__cause__=NotPublic()):
            return "leads to an address that is not public"
        case TimeoutError():
            return "was not answered in time"
        case ClientPayloadError():
            return "was answered with less than announced"
        case ClientConnectorCertificateError():
            return "has no valid certificate"
        case InvalidURL():
            return _UNUSABLE
    return "is not answered"


def _check(answer: ClientResponse, max_bytes: int) -> None:
    """By its head. Raises NotFetched."""
    if answer.status != 200:
        raise NotFetched(f"was answered with {answer.status}")
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise NotFetched("was answered with compressed data")
    coding = answer.headers.get("Transfer-Encoding")
    if (answer.content_length is None) if coding is None else (coding.lower() != "chunked"):
        raise NotFetched("was answered without a length")  # it is not known whether the file is complete
    if (answer.content_length or 0) > max_bytes:
        raise NotFetched("is too large")


async def _read(answer: ClientResponse, max_bytes: int) -> Fetched:
    _check(answer, max_bytes)
    content, pieces = bytearray(), 0
    async for piece, _ in answer.content.iter_chunks():
        content += piece
        pieces += 1
        if len(content) > max_bytes:
            raise NotFetched("is too large")
        if pieces > MAX_PIECES + len(content) // FEWEST_BYTES:
            raise NotFetched("was answered in too many pieces")
    if not content:
        raise NotFetched("is empty")
    return Fetched(bytes(content), answer.headers.get("Content-Type", "").lower())
