"""Request and response models of logins, sessions, account mails and second factors."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from chassis.fields import Text
from contracts.addresses import Email
from user_service.repositories.sessions import StoredSession
from user_service.schemas.fields import GivenPassword, NewPassword, shown
from user_service.schemas.users import USER, UserView

REFRESH_TOKEN = "01997a5c3f6e7c1a9b1e0d1f2a3b4c5d.Y2F0cy1hcmUtbGlxdWlk"  # noqa: S105 - an example
TOKENS = {
    "access_token": "eyJhbGciOiJFUzI1NiIs...",
    "token_type": "bearer",
    "expires_in": 1800,
    "refresh_token": REFRESH_TOKEN,
}

# Six digits, or a recovery code. Apps and people put blanks around them.
TotpCode = Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]


class LoginRequest(BaseModel):
    """`totp` is a one-time code or a recovery code. It is needed if the user has a second factor."""

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
    """`expires_in` is the access token's lifetime in seconds. A refresh token works once: keep the new one."""

    model_config = shown(TOKENS)

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - not a password
    expires_in: int
    refresh_token: str


class LoginView(TokensView):
    """The tokens, and the user who has logged in. `totp_needed`: the user is an administrator, but has only the rights of a
    normal user until a second factor is set up."""

    model_config = shown({**TOKENS, "user": USER, "totp_needed": False})

    user: UserView
    totp_needed: bool


TOKEN = "q3NyZT0tYmVlcy1hcmUtbm90LWJpcmRzLW5vci1maXNo"  # noqa: S105 - an example
# A token that was copied out of a mail may have blanks and line ends around it.
MailedTokenText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class PasswordResetRequest(BaseModel):
    model_config = shown({"email": "john@example.com"})

    email: Email


class MailedTokenGiven(BaseModel):
    model_config = shown({"token": TOKEN})

    token: MailedTokenText


class NewPasswordByToken(BaseModel):
    model_config = shown({"token": TOKEN, "password": "n3w-Secret-Pass"})

    token: MailedTokenText
    password: NewPassword


class SessionView(BaseModel):
    """One login. `expires_at` moves with each refresh. `current`: the access token of this request belongs to it."""

    model_config = shown(
        {
            "id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d",
            "created_at": "2026-01-01T12:00:00Z",
            "expires_at": "2026-01-31T12:00:00Z",
            "current": True,
        }
    )

    id: UUID
    created_at: datetime
    expires_at: datetime
    current: bool

    @classmethod
    def from_stored(cls, session: StoredSession, current: str | None) -> "SessionView":
        return cls(
            id=session.id,
            created_at=session.created_at,
            expires_at=session.expires_at,
            current=session.id.hex == current,
        )


class TotpRequest(BaseModel):
    model_config = shown({"current_password": "SecurePass123!"})

    current_password: GivenPassword


class TotpSecretView(BaseModel):
    """For an authenticator app: show `uri` as a QR code, or type `secret` in. Both are shown only once."""

    model_config = shown(
        {
            "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
            "uri": "otpauth://totp/Notifications:ada%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Notifications",
        }
    )

    secret: str
    uri: str


class TotpConfirmation(BaseModel):
    model_config = shown({"code": "492039"})

    code: TotpCode


class RecoveryCodesView(BaseModel):
    """Each recovery code replaces one one-time code when the device is lost. They are shown only once."""

    model_config = shown({"recovery_codes": ["mfrg-gzdf-mztw-q2lk"] * 2})

    recovery_codes: list[str]


class TotpRemoval(BaseModel):
    """Needed to remove one's own second factor. An administrator removes another administrator's without it."""

    model_config = shown({"current_password": "SecurePass123!", "code": "492039"})

    current_password: GivenPassword | None = None
    code: TotpCode | None = Field(default=None, description="A one-time code or a recovery code")
