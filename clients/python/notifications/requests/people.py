"""Users, contacts and devices."""

from collections.abc import Sequence
from typing import Literal, NotRequired, Required, TypeAlias, TypedDict


class SubscriptionKeys(TypedDict):
    p256dh: str
    auth: str


class WebPushSubscription(TypedDict):
    """What a browser's `pushManager.subscribe` gives."""

    endpoint: str
    keys: SubscriptionKeys


class AppleDevice(TypedDict):
    """A device at APNs. `environment`: where its token is valid; without it, the deployment's APNS_ENVIRONMENT."""

    provider: Literal["apns"]
    token: str
    environment: NotRequired[Literal["production", "sandbox"] | None]


# An FCM token is a text.
PushToken: TypeAlias = str | WebPushSubscription | AppleDevice


class NewPreferences(TypedDict, total=False):
    email: bool
    push: bool


class PreferencesChange(TypedDict, total=False):
    """`unsubscribed` are the purposes of templates that the person does not want by e-mail."""

    email: bool | None
    push: bool | None
    unsubscribed: Sequence[str] | None


class ContactFields(TypedDict, total=False):
    """What is left out of a contact that exists stays as it is."""

    name: Required[str]
    email: Required[str]
    language: str | None
    preferences: PreferencesChange
    push_token: PushToken | None


class BulkContact(TypedDict, total=False):
    external_id: Required[str]
    name: Required[str]
    email: Required[str]
    language: str | None
    preferences: PreferencesChange


class NewUser(TypedDict, total=False):
    """With a password: an account. Without one, by an application: a contact."""

    name: Required[str]
    email: Required[str]
    password: str | None
    external_id: str | None
    language: str | None
    preferences: NewPreferences
    push_token: PushToken | None


class UserChange(TypedDict, total=False):
    """People who change their own password or address give `current_password`."""

    name: str | None
    email: str | None
    password: str | None
    current_password: str | None
    language: str | None
    preferences: PreferencesChange
    push_token: PushToken | None


class UserReplacement(TypedDict, total=False):
    name: Required[str]
    email: Required[str]
    password: str | None
    current_password: str | None
    language: str | None
    preferences: PreferencesChange
    push_token: PushToken | None
