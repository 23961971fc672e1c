"""Recipients that a caller gives itself, in place of a user."""

from typing import Annotated, Any
from uuid import UUID, uuid5

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from api_gateway.schemas.topics import MAX_CONDITION, TOPIC, checked_condition
from chassis.security import application_of
from contracts.addresses import Email, address_key
from contracts.device_tokens import FcmToken
from contracts.fields import MAX_NAME, one_line
from contracts.recipients import EmailRecipient, PushRecipient, PushToken

MAX_DEVICES = 20
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


class DevicesTo(BaseModel):
    """Devices by their FCM registration tokens."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"push_tokens": ["fcm-registration-token"], "name": "Ada"}]}
    )

    push_tokens: list[FcmToken] = Field(min_length=1, max_length=MAX_DEVICES)
    name: OptionalName = ""

    @property
    def recipient(self) -> PushRecipient:
        return PushRecipient(name=self.name, push_tokens=tuple(PushToken(token=token) for token in self.push_tokens))

    @property
    def key(self) -> str:
        return " ".join(sorted(set(self.push_tokens)))


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


def person_of(to: To, caller: str) -> UUID:
    """The id that stands for such a recipient in place of a user's: the same each time that its application sends to it."""
    return uuid5(RECIPIENTS, f"{application_of(caller) or caller} {to.key}")
