"""Logging in, refreshing, logging out."""

from typing import Literal

from pydantic import BaseModel, Field

from contracts.addresses import Email
from user_service.schemas.examples import shown
from user_service.schemas.fields import GivenPassword
from user_service.schemas.totp import TotpCode
from user_service.schemas.users import USER, UserView

REFRESH_TOKEN = "01997a5c3f6e7c1a9b1e0d1f2a3b4c5d.Y2F0cy1hcmUtbGlxdWlk"  # noqa: S105 - an example
TOKENS = {
    "access_token": "eyJhbGciOiJFUzI1NiIs...",
    "token_type": "bearer",
    "expires_in": 1800,
    "refresh_token": REFRESH_TOKEN,
}


class LoginRequest(BaseModel):
    """`totp`: a one-time code or a recovery code, of who has a second factor."""

    model_config = shown({"email": "john@example.com", "password": "SecurePass123!"})

    email: Email
    password: GivenPassword
    totp: TotpCode | None = None


class RefreshRequest(BaseModel):
    model_config = shown({"refresh_token": REFRESH_TOKEN})

    refresh_token: str = Field(min_length=1, max_length=200)


class LogoutRequest(BaseModel):
    """Without a refresh token the session of the access token ends."""

    model_config = shown({"refresh_token": REFRESH_TOKEN})

    refresh_token: str | None = Field(default=None, max_length=200)


class TokensView(BaseModel):
    """`expires_in` is the access token's life in seconds. A refresh token works once: keep the new one."""

    model_config = shown(TOKENS)

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - not a password
    expires_in: int
    refresh_token: str


class LoginView(TokensView):
    """The tokens, and who has logged in. `totp_needed`: an administrator whose tokens are those of a user until a second
    factor is set up."""

    model_config = shown({**TOKENS, "user": USER, "totp_needed": False})

    user: UserView
    totp_needed: bool
