"""Who is logged in: a cookie that only the console can read. The console stores nothing.

The cookie holds the gateway's tokens or an API key, encrypted and authenticated (Fernet: AES-128-CBC, HMAC-SHA256).
"""

import base64
import secrets
import time
from typing import Literal

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from console.settings import ConsoleSettings

MAX_COOKIE_BYTES = 4_096  # browsers keep no larger ones (RFC 6265, 6.1)


class Tokens(BaseModel, frozen=True):
    """A person's tokens. The times are in seconds since 1970. From `renew_at` on, half of the life, a page that is opened
    renews them; what a page loads by itself does so only at the end, so that two requests seldom renew at the same time.
    """

    access: str
    refresh: str
    renew_at: float
    expires_at: float


class Person(BaseModel, frozen=True):
    """Whom the page greets, and what the navigation shows. The gateway decides again at every call."""

    id: str | None = None
    name: str
    role: Literal["admin", "user", "key"]
    sections: frozenset[str] = frozenset()

    def may(self, section: str) -> bool:
        return section in self.sections


class PendingLogin(BaseModel, frozen=True):
    """A login that waits for the code of a second factor, until this time in seconds since 1970."""

    email: str
    password: str = Field(repr=False)
    until: float


class FreshKey(BaseModel, frozen=True):
    """A new API key that its page shows once, until this time in seconds since 1970."""

    id: str
    key: str = Field(repr=False)
    until: float


class Session(BaseModel, frozen=True):
    """Nobody has logged in while `person` is None: then it carries only the login form's `csrf` token."""

    csrf: str = Field(default_factory=lambda: secrets.token_urlsafe(24))
    person: Person | None = None
    pending_login: PendingLogin | None = None
    tokens: Tokens | None = None
    api_key: str | None = None
    fresh_key: FreshKey | None = None
    began: float = Field(default_factory=time.time)


class SessionCookie:
    """Reads and writes the cookie. Over https its name has the prefix `__Host-`, which no other host or path can set."""

    def __init__(self, settings: ConsoleSettings) -> None:
        key = HKDF(SHA256(), length=32, salt=None, info=b"console sessions")
        secret = settings.console_secret_key.get_secret_value().encode()
        self._fernet = Fernet(base64.urlsafe_b64encode(key.derive(secret)))
        self._seconds = int(settings.console_session_hours * 3600)
        self._secure = settings.production
        self.name = "__Host-console" if self._secure else "console"

    def read(self, request: Request) -> Session:
        """The request's session. A cookie that is missing, forged, damaged or too old is a new session of nobody."""
        value = request.cookies.get(self.name, "")
        try:
            session = Session.model_validate_json(self._fernet.decrypt(value))
        except (InvalidToken, ValidationError, ValueError):
            return Session()
        return session if time.time() - session.began < self._seconds else Session()

    def write(self, response: Response, session: Session) -> None:
        """Raises ValueError for a session that no browser would keep."""
        value = self._fernet.encrypt(session.model_dump_json().encode()).decode()
        if len(self.name) + len(value) >= MAX_COOKIE_BYTES:
            raise ValueError("the session does not fit into a cookie")
        response.set_cookie(
            self.name, value, max_age=self._seconds, path="/", secure=self._secure, httponly=True, samesite="lax"
        )
