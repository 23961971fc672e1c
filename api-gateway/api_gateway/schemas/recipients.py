"""Recipients that a caller gives itself, in place of a user."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self
from uuid import UUID, uuid5

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from api_gateway.schemas.topics import MAX_CONDITION, TOPIC, checked_condition
from chassis.fields import Text
from chassis.security import application_of
from contracts.addresses import MAX_ADDRESS, Email, address_key, trimmed
from contracts.device_tokens import (
    APNS_ENVIRONMENT,
    FCM_IN_AN_OBJECT,
    SUBSCRIPTION,
    ApnsToken,
    FcmToken,
    WebPushSubscription,
)
from contracts.fields import MAX_NAME, one_line
from contracts.recipients import APNS_TOKEN, ApnsEnvironment, EmailRecipient, PushRecipient, PushToken, WebPushKeys
from contracts.web_push import PushServices, one_spelling

MAX_DEVICES = 20
MAX_TOKEN = 2_048  # characters, of the longest device token
WEB_PUSH = "https://"
RECIPIENTS = UUID("6f1d3b0e-6f0e-5a5c-9a6f-0f5d6f7c9b1e")  # the namespace of their ids (RFC 9562, 5.5)


def _blank_for_none(given: object) -> object:
    return "" if given is None else one_line(given) if isinstance(given, str) else given


OptionalName = Annotated[
    str, BeforeValidator(_blank_for_none), StringConstraints(strip_whitespace=True, max_length=MAX_NAME)
]


class EmailTo(BaseModel):
    """An e-mail address."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"email": "ada@example.com", "name": "Ada"}]}
    )

    email: Email
    name: OptionalName = ""

    @property
    def recipient(self) -> EmailRecipient:
        return EmailRecipient(name=self.name, email=self.email)

    @property
    def key(self) -> str:
        """The same for all spellings of one recipient."""
        return address_key(self.email)


APPLE_TOKEN = "9c4b5ff4f4f2e6ae1d2e4c4d0f5e0e8b8a1c3b7d6e5f4a3b2c1d0e9f8a7b6c5d"  # noqa: S105 - an example


class AppleToken(BaseModel):
    """A token of APNs, in hex: a device's, or a Live Activity's."""

    model_config = ConfigDict(extra="forbid")

    provider: Literal["apns"]
    token: ApnsToken
    environment: ApnsEnvironment | None = Field(default=None, description=APNS_ENVIRONMENT)


_FCM = TypeAdapter(FcmToken)


Given = str | AppleToken | WebPushSubscription


def _token_by_kind(value: object, _all: ValidatorFunctionWrapHandler) -> Given:
    """Validates by the value's type, so that errors name the field that was sent."""
    match value:
        case str():
            return _FCM.validate_python(value)
        case AppleToken() | WebPushSubscription():
            return value
        case {"provider": "fcm"}:
            raise ValueError(FCM_IN_AN_OBJECT)
        case {"endpoint": _} | {"keys": _} | {"provider": "web_push"}:
            return WebPushSubscription.model_validate(value)
        case dict():
            return AppleToken.model_validate(value)
        case _:
            raise ValueError("must be an FCM registration token, a Web Push subscription, or APNs' provider and token")


GivenToken = Annotated[FcmToken | WebPushSubscription | AppleToken, WrapValidator(_token_by_kind)]


class DevicesTo(BaseModel):
    """Devices by their FCM registration tokens, browsers' Web Push subscriptions, or tokens of APNs."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"push_tokens": ["fcm-registration-token"], "name": "Ada"},
                {"push_tokens": [SUBSCRIPTION]},
                {"push_tokens": [{"provider": "apns", "token": APPLE_TOKEN, "environment": "sandbox"}]},
            ]
        },
    )

    push_tokens: list[GivenToken] = Field(min_length=1, max_length=MAX_DEVICES)
    name: OptionalName = ""

    @property
    def recipient(self) -> PushRecipient:
        return PushRecipient(name=self.name, push_tokens=tuple(_device(token) for token in self.push_tokens))

    @property
    def key(self) -> str:
        return " ".join(sorted({_name_of(_device(token)) for token in self.push_tokens}))

    @property
    def is_apple(self) -> bool:
        return all(isinstance(token, AppleToken) for token in self.push_tokens)

    def foreign_endpoints(self, services: PushServices) -> list[str]:
        """The fields whose endpoints belong to no push service of `services`."""
        return [
            f"to.push_tokens.{index}.endpoint"
            for index, token in enumerate(self.push_tokens)
            if isinstance(token, WebPushSubscription) and not services.has(token.endpoint)
        ]


def _device(token: Given) -> PushToken:
    match token:
        case str():
            return PushToken(token=token)
        case AppleToken():
            return PushToken(provider="apns", token=token.token, environment=token.environment)
        case WebPushSubscription(endpoint=endpoint, keys=given):
            keys = WebPushKeys(p256dh=given.p256dh, auth=given.auth)
            return PushToken(provider="web_push", token=one_spelling(endpoint), keys=keys)


def _name_of(device: PushToken) -> str:
    """No FCM token has a slash."""
    return device.token if device.provider == "fcm" else f"{device.provider}/{device.token}"


class TopicTo(BaseModel):
    """Every device that has subscribed to an FCM topic. It is one delivery."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"topic": "news"}]})

    topic: Annotated[str, Field(pattern=f"^{TOPIC}$")]

    @property
    def recipient(self) -> PushRecipient:
        return PushRecipient(name="", push_tokens=(PushToken(token=self.topic, kind="topic"),))

    @property
    def key(self) -> str:
        return f" topic {self.topic}"  # no list of tokens begins with a space


class ConditionTo(BaseModel):
    """Every device whose FCM topics fulfil a condition. It is one delivery."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"condition": "'news' in topics && !('muted' in topics)"}]},
    )

    condition: Annotated[
        str,
        Field(min_length=1, max_length=MAX_CONDITION, description="Up to five topics, with &&, ||, ! and parentheses"),
        AfterValidator(checked_condition),
    ]

    @property
    def recipient(self) -> PushRecipient:
        return PushRecipient(name="", push_tokens=(PushToken(token=self.condition, kind="condition"),))

    @property
    def key(self) -> str:
        return f" condition {self.condition}"


To = EmailTo | DevicesTo | TopicTo | ConditionTo
_BY_FIELD: dict[str, type[BaseModel]] = {"push_tokens": DevicesTo, "topic": TopicTo, "condition": ConditionTo}


def by_kind(value: Any) -> Any:
    """Validates by the fields that were given, so that errors name them. Pydantic would add the union's member."""
    if isinstance(value, dict):
        return next((kind for name, kind in _BY_FIELD.items() if name in value), EmailTo).model_validate(value)
    if isinstance(value, To):
        return value
    raise ValueError("is an object with email, push_tokens, topic or condition")


def recipient_id(key: str, caller: str) -> UUID:
    """The id that takes the place of a user id. `key`: of `To`. An application gets the same id each time that it sends to
    this recipient.
    """
    return uuid5(RECIPIENTS, f"{application_of(caller) or caller} {key}")


def _one_address(text: str) -> str:
    text = trimmed(text)
    fits = len(text) <= MAX_ADDRESS if _is_email(text) else text.isascii() and text.isprintable()
    if not text or not fits or any(map(str.isspace, text)):
        raise ValueError("is one e-mail address, or one device's token; in a query a plus sign is written as %2B")
    return text


def _is_email(text: str) -> bool:
    return "@" in text and not text.startswith(WEB_PUSH)


SearchedAddress = Annotated[Text, Field(max_length=MAX_TOKEN), AfterValidator(_one_address)]


@dataclass(frozen=True, slots=True)
class AddressSearch:
    """An e-mail address, or the token of one device: a text may be a token of FCM and of APNs."""

    email: str | None
    devices: tuple[PushToken, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        if _is_email(text):
            return cls(text, ())
        if text.startswith(WEB_PUSH):
            return cls(None, (PushToken(provider="web_push", token=one_spelling(text)),))
        apple = (PushToken(provider="apns", token=text.lower()),) if re.fullmatch(APNS_TOKEN, text.lower()) else ()
        return cls(None, (PushToken(token=text), *apple))

    @property
    def keys(self) -> list[str]:
        """Each is the `key` of a recipient with this one address."""
        return [address_key(self.email)] if self.email else [_name_of(device) for device in self.devices]
