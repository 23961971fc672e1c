"""Request and response models of push tokens."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AliasChoices,
    BaseModel,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from contracts.device_tokens import (
    APNS_ENVIRONMENT,
    FCM_IN_AN_OBJECT,
    SUBSCRIPTION,
    ApnsToken,
    FcmToken,
    WebPushSubscription,
)
from contracts.recipients import ApnsEnvironment, PushProvider
from contracts.users import PushTokenText
from user_service.repositories.push_tokens import Device, StoredPushToken
from user_service.repositories.removed_devices import RemovalReason, StoredRemoval
from user_service.schemas.fields import shown

SUBSCRIPTION_KEY = "BIPUL12DLfytvTajnryr2PRdAgXS3HGKiLqndGcJGabyhHheJYlNGCeXl1dn18gSJ1WAkAPIxr4gK0_dQds4yiI"
APPLE_DEVICE = {"provider": "apns", "token": "9c4b5ff4f4f2e6ae1d2e4c4d0f5e0e8b8a1c3b7d6e5f4a3b2c1d0e9f8a7b6c5d"}


class AppleDevice(BaseModel):
    """A device token from `didRegisterForRemoteNotificationsWithDeviceToken`, in hex."""

    model_config = shown(APPLE_DEVICE, {**APPLE_DEVICE, "environment": "sandbox"})

    provider: Literal["apns"]
    token: ApnsToken
    environment: ApnsEnvironment | None = Field(default=None, description=APNS_ENVIRONMENT)


Given = str | WebPushSubscription | AppleDevice
_TEXT = TypeAdapter(FcmToken)


def _by_kind(value: object, _all: ValidatorFunctionWrapHandler) -> Given:
    """Validates by the value's type, so that errors name the field that was sent. Pydantic would add the union's member."""
    match value:
        case str():
            return _TEXT.validate_python(value)
        case AppleDevice():
            return value
        case {"provider": "fcm"}:
            raise ValueError(FCM_IN_AN_OBJECT)
        case {"provider": _}:
            return AppleDevice.model_validate(value)
        case dict() | WebPushSubscription():
            return WebPushSubscription.model_validate(value)
        case _:
            raise ValueError("must be an FCM registration token, a Web Push subscription, or APNs' provider and token")


GivenPushToken = Annotated[FcmToken | WebPushSubscription | AppleDevice, WrapValidator(_by_kind)]


def device_of(given: Given) -> Device:
    match given:
        case str():
            return Device("fcm", given)
        case AppleDevice():
            return Device("apns", given.token, environment=given.environment)
        case WebPushSubscription():
            return Device("web_push", given.endpoint, given.keys.p256dh, given.keys.auth)


class NamedPushToken(BaseModel):
    """A push token under one of its two names."""

    _name: str = PrivateAttr("push_token")

    @model_validator(mode="wrap")
    @classmethod
    def _keep_name(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        made = handler(value)
        if isinstance(value, dict) and "push_token" not in value:
            made._name = "token"  # noqa: SLF001 - its own
        return made

    @property
    def name(self) -> str:
        """The name that the client sent."""
        return self._name


class PushTokenAddition(NamedPushToken):
    """One device: an FCM registration token, a browser's Web Push subscription, or APNs' token. `token` is an alias."""

    model_config = shown({"push_token": "fcm_token_here"}, {"push_token": SUBSCRIPTION}, {"push_token": APPLE_DEVICE})

    push_token: GivenPushToken = Field(validation_alias=AliasChoices("push_token", "token"))


class PushTokenReplacement(NamedPushToken):
    """An FCM token replaces all FCM tokens of the user. Null removes them all. Any other device is added."""

    model_config = shown({"push_token": "fcm_token_here"}, {"push_token": None})

    push_token: GivenPushToken | None = Field(validation_alias=AliasChoices("push_token", "token"))


class PushTokenRemoval(BaseModel):
    """The token to remove: an FCM token, a Web Push endpoint, or APNs' device token."""

    model_config = shown({"token": "fcm_token_here"})

    token: PushTokenText = Field(validation_alias=AliasChoices("token", "push_token"))


class VapidKey(BaseModel):
    """`public_key` is what a page gives `PushManager.subscribe()` as `applicationServerKey`."""

    model_config = shown({"public_key": SUBSCRIPTION_KEY})

    public_key: str


FINGERPRINT = "ac9be4f411a0f4283a49b49a0cd378a4"


class PushTokenView(BaseModel):
    """One device. `token` is the FCM token, the Web Push endpoint, or APNs' device token in lower case."""

    model_config = shown(
        {
            "id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5e",
            "provider": "fcm",
            "token": "fcm_token_here",
            "environment": None,
            "fingerprint": FINGERPRINT,
            "created_at": "2026-01-01T12:00:00Z",
            "last_seen": "2026-01-08T08:30:00Z",
        }
    )

    id: UUID
    provider: PushProvider
    token: str
    environment: ApnsEnvironment | None = Field(
        description="Of Apple's devices, as it was registered; null: the deployment's APNS_ENVIRONMENT"
    )
    fingerprint: str = Field(description="Names the device in the timelines of notifications")
    created_at: datetime
    last_seen: datetime = Field(description="When it was registered last. Apps register at every start")

    @classmethod
    def from_stored(cls, stored: StoredPushToken) -> "PushTokenView":
        return cls(
            id=stored.id,
            provider=stored.provider,
            token=stored.token,
            environment=stored.environment,
            fingerprint=stored.fingerprint,
            created_at=stored.created_at,
            last_seen=stored.last_seen_at,
        )


class RemovedDeviceView(BaseModel):
    """A device that the user no longer has. Its token is deleted. `fingerprint` is the one that it had."""

    model_config = shown(
        {
            "id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5e",
            "provider": "fcm",
            "fingerprint": FINGERPRINT,
            "created_at": "2026-01-01T12:00:00Z",
            "last_seen": "2026-01-08T08:30:00Z",
            "removed_at": "2026-02-01T09:00:00Z",
            "removed_because": "unregistered",
        }
    )

    id: UUID
    provider: PushProvider
    fingerprint: str
    created_at: datetime
    last_seen: datetime
    removed_at: datetime
    removed_because: RemovalReason = Field(
        description="`unregistered`: the provider reported that it no longer exists. `replaced`: by another FCM token of the "
        "user. `moved`: another user has registered it. Otherwise who removed it"
    )

    @classmethod
    def from_stored(cls, stored: StoredRemoval) -> "RemovedDeviceView":
        return cls(
            id=stored.id,
            provider=stored.provider,
            fingerprint=stored.fingerprint,
            created_at=stored.created_at,
            last_seen=stored.last_seen_at,
            removed_at=stored.removed_at,
            removed_because=stored.removed_because,
        )
