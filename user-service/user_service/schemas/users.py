"""Request and response models of users."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from chassis.fields import TrueOrFalse
from chassis.security import Role
from contracts.addresses import Email
from contracts.fields import Language, Name
from contracts.unsubscribing import Purpose
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
    "preferences": {**BOTH, "unsubscribed": []},
    "push_token": "fcm_token_here",
    "external_id": None,
    "contact": False,
    "disabled": False,
    "created_at": "2026-01-01T12:00:00Z",
    "updated_at": "2026-01-01T12:00:00Z",
}


Unsubscribed = Annotated[
    list[Purpose], Field(max_length=100, description="Purposes of templates whose e-mails the user does not want")
]


class PreferencesView(BaseModel):
    """Which channels the user wants, and the e-mails that the user has unsubscribed from."""

    model_config = shown({**BOTH, "unsubscribed": ["newsletter"]})

    email: TrueOrFalse
    push: TrueOrFalse
    unsubscribed: Unsubscribed


class SetPreferences(BaseModel):
    """`unsubscribed` stays unchanged if it is omitted."""

    model_config = shown(BOTH)

    email: TrueOrFalse
    push: TrueOrFalse
    unsubscribed: Unsubscribed | None = None


class NewPreferences(BaseModel):
    model_config = shown(BOTH)

    email: TrueOrFalse = True
    push: TrueOrFalse = True


class PreferencesChange(BaseModel):
    """Fields that are omitted or null stay unchanged."""

    model_config = shown({"push": False})

    email: TrueOrFalse | None = None
    push: TrueOrFalse | None = None
    unsubscribed: Unsubscribed | None = None


class SignUp(BaseModel):
    """A new user. Every user starts with the role `user`. Unknown fields are ignored.

    Applications omit the password, and may give their own id for the person.
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
    """Fields that are omitted or null stay unchanged, except `language` and `push_token`: null clears them.

    Users who change their own e-mail address or password must send `current_password`. A new password ends every session.
    When users change their own address, the new one takes effect once it is confirmed.
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
    """Like a change, but `name` and `email` are required, as in a form that shows both."""

    model_config = shown({"name": "John Doe", "email": "john@example.com", "preferences": BOTH})

    name: Name
    email: Email


class UserView(BaseModel):
    """A user. `push_token` is the newest FCM token. All devices are at `/users/{id}/push-tokens`.

    `email_verified`: the user has proved that they read mail sent to `email`. `pending_email` becomes the address once the
    user has proved the same for it. `disabled`: logins and the user's API keys are refused, but notifications to the user
    still arrive. `contact`: the user has no password and cannot log in. `external_id` is the application's id for a contact.
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
    def from_stored(cls, user: StoredUser) -> "UserView":
        return cls(
            id=user.id,
            name=user.name,
            email=user.email,
            email_verified=user.email_verified_at is not None,
            pending_email=user.pending_email,
            role=user.role,
            language=user.language,
            preferences=PreferencesView(email=user.wants_email, push=user.wants_push, unsubscribed=user.unsubscribed),
            push_token=user.push_token,
            external_id=user.external_id,
            contact=user.is_contact,
            disabled=user.disabled_at is not None,
            created_at=user.created_at,
            updated_at=user.updated_at,
        )
