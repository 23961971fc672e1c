"""What all calls of a client have in common: the address, the credentials, the timeout and the retries."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version

import httpx2

from notifications.retrying import RetryPolicy

API = "/api/v1"
URL_VARIABLE, KEY_VARIABLE = "NOTIFICATIONS_URL", "NOTIFICATIONS_API_KEY"


@dataclass(slots=True)
class Connection:
    """`login` and `refresh` change the tokens; the rest stays."""

    base_url: str
    timeout: float
    retries: RetryPolicy
    api_key: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)

    def headers(self) -> Mapping[str, str]:
        """An access token comes before an API key."""
        headers = {"Accept": "application/json", "User-Agent": _agent()}
        if self.access_token:
            return {**headers, "Authorization": f"Bearer {self.access_token}"}
        return {**headers, "X-API-Key": self.api_key} if self.api_key else headers


def connect(
    base_url: str | None, api_key: str | None, access_token: str | None, *, timeout: float, retries: RetryPolicy
) -> Connection:
    """Missing values come from the environment. Raises ValueError if there is no usable address or credential."""
    address = (base_url or os.environ.get(URL_VARIABLE, "")).strip().rstrip("/")
    if not _is_address(address):
        raise ValueError(f"base_url (or {URL_VARIABLE}) must be the gateway's address, like https://notify.example.com")
    if api_key is None and access_token is None:
        api_key = os.environ.get(KEY_VARIABLE)
    return Connection(address.removesuffix(API), timeout, retries, _credential(api_key), _credential(access_token))


@cache
def _agent() -> str:
    return f"notifications-python/{version('notification-sdk')}"


def _is_address(text: str) -> bool:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        return False
    return url.scheme in {"http", "https"} and bool(url.host)


def _credential(value: str | None) -> str | None:
    """Without the newline of the file it was read from. What cannot be in a header is refused, and not shown."""
    stripped = (value or "").strip()
    if not (stripped.isascii() and stripped.isprintable()):
        raise ValueError("the API key or access token has characters that none has")
    return stripped or None
