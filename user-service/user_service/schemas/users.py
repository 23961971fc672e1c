"""Users: what clients send, and what they get."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from chassis.fields import TrueOrFalse
from chassis.security import Role
from contracts.addresses import Email
from contracts.fields import Language, Name
from user_service.repositories.users import StoredUser
from user_service.schemas.fields import ExternalId, GivenPassword, NewPassword, shown
from user_service.schemas.push_tokens import GivenPushToken

ID = "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d"
BOTH = {"email": True, "push": True}
USER = {
    "id": ID,
    "name": "John Doe",
    "email": "john@example.com",
    "email_verified": True,
    "pending_email": None,
    "role": "user",
    "language": "en",
    "preferences": BOTH,
    "push_token": "fcm_token_here",
    "external_id": None,
    "contact": False,
    "disabled": False,
    "created_at": "2026-01-01T12:00:00Z",
    "updated_at": "2026-01-01T12:00:00Z",
}


class PreferencesView(BaseModel):
    """Which channels the user wants."""

    model_config = shown(BOTH)

    email: TrueOrFalse
    push: TrueOrFalse


class NewPreferences(BaseModel):
    model_config = shown(BOTH)

    email: TrueOrFalse = True
    push: TrueOrFalse = True


class PreferencesChange(BaseModel):
    """What is left out, or null, stays as it is."""

    model_config = shown({"push": False})

    email: TrueOrFalse | None = None
    push: TrueOrFalse | None = None


class SignUp(BaseModel):
    """A new user. Everybody begins with the role `user`; fields that are not named here are ignored.

    Applications leave the password out and may give their own id for the person.
    """

    model_config = shown(
        {
            "name": "John Doe",
            "email": "john@example.com",
            "password": "SecurePass123!",
            "push_token": "fcm_token_here",
            "preferences": BOTH,
            "language": "en",
        }
    )

    name: Name
    email: Email
    password: NewPassword | None = None
    external_id: ExternalId | None = Field(default=None, description="Only without a password")
    push_token: GivenPushToken | None = None
    preferences: NewPreferences = Field(default_factory=NewPreferences)
    language: Language | None = None


class UserChange(BaseModel):
    """What is left out stays as it is; so does what is null, except `language` and `push_token`, which null clears.

    Whoever changes their own e-mail address or password needs `current_password`; a new password ends every session. A new
    address of one's own waits until it is confirmed.
    """

    model_config = shown(
        {"name": "John Q. Doe", "language": "en-GB"},
        {"password": "n3w-Secret", "current_password": "SecurePass123!"},
    )

    name: Name | None = None
    email: Email | None = None
    password: NewPassword | None = None
    current_password: GivenPassword | None = None
    push_token: GivenPushToken | None = Field(default=None, description="As in PUT /users/{id}/push-token")
    preferences: PreferencesChange = Field(default_factory=PreferencesChange)
    language: Language | None = None


class UserReplacement(UserChange):
    """Like a change, but with `name` and `email`: what a form sends that shows both."""

    model_config = shown({"name": "John Doe", "email": "john@example.com", "preferences": BOTH})

    name: Name
    email: Email


class UserView(BaseModel):
    """A user. `push_token` is the newest FCM token; all devices are at `/users/{id}/push-tokens`.

    `email_verified`: somebody has shown that they read the mail of `email`. `pending_email` is to become the address once
    that is shown of it. `disabled`: logging in and the user's API keys are refused; what is sent to the user still arrives.
    `contact`: there is no password to log in with; `external_id` is what its application calls it.
    """

    model_config = shown(USER)

    id: UUID
    name: str
    email: str
    email_verified: bool
    pending_email: str | None
    role: Role
    language: str | None
    preferences: PreferencesView
    push_token: str | None
    external_id: str | None
    contact: bool
    disabled: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: StoredUser) -> "UserView":
        return cls(
            id=user.id,
            name=user.name,
            email=user.email,
            email_verified=user.email_verified_at is not None,
            pending_email=user.pending_email,
            role=user.role,
            language=user.language,
            preferences=PreferencesView(email=user.wants_email, push=user.wants_push),
            push_token=user.push_token,
            external_id=user.external_id,
            contact=user.is_contact,
            disabled=user.disabled_at is not None,
            created_at=user.created_at,
            updated_at=user.updated_at,
        )
