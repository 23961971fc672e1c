"""Field types of requests, with their limits."""

import re
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from chassis.fields import Text
from chassis.http.paging import PageQuery
from chassis.json_values import problems_in, written
from chassis.security import Sender
from contracts.fields import Language, Name
from contracts.recipients import CHANNELS, Channel
from contracts.senders import SenderEmail
from template_service.drafts import NO_SENDER
from template_service.repositories.templates import Filter
from templating.urls import app_scheme

CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
MAX_PART = 256 * 1024  # characters; the renderer's limit has the same number of bytes
MAX_VARIABLES_BYTES = 64 * 1024
MAX_CHANNEL_NAMES = 10
MAX_VERSION = 2**31 - 1
_CHANNEL_NAMES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("e-mail", "mail"), ("email",)),
    **dict.fromkeys(("push_notification", "push-notification"), ("push",)),
    **dict.fromkeys(("both", "all", "any"), CHANNELS),
}


def _no_path_of_its_own(code: str) -> str:
    """Rejects `render`: `/templates/render` is an operation, so a template of that code could not be read."""
    if code == "render":
        raise ValueError("is the name of an operation")
    return code


def _bounded_variables(variables: dict[str, Any]) -> dict[str, Any]:
    """Applies the gateway's limits, so that a preview shows what would be sent."""
    if problems := problems_in("variables", variables):
        raise ValueError("; ".join(f"{one['field']} {one['message']}" for one in problems))
    if len(written(variables).encode()) > MAX_VARIABLES_BYTES:
        raise ValueError(f"must have at most {MAX_VARIABLES_BYTES} bytes as JSON")
    return variables


def _channel_names(value: object) -> object:
    """One name, several names separated by commas, or a list, in any case, under the names that callers use."""
    given = value.split(",") if isinstance(value, str) else [] if value is None else value
    if not isinstance(given, list) or len(given) > MAX_CHANNEL_NAMES:
        raise ValueError("must be email, push, or a list of these")
    named: set[str] = set()
    for name in given:
        if not isinstance(name, str):
            raise ValueError("must be email, push, or a list of these")  # noqa: TRY004 - what pydantic reports
        if word := name.strip().lower():
            named.update(_CHANNEL_NAMES.get(word, (word,)))
    if named.difference(CHANNELS):
        raise ValueError("must be email, push, or a list of these")
    return [channel for channel in CHANNELS if channel in named]


Code = Annotated[
    str, Field(pattern=f"^{CODE.pattern}$", examples=["welcome_email"]), AfterValidator(_no_path_of_its_own)
]
VersionNumber = Annotated[int, Field(ge=1, le=MAX_VERSION)]
Description = Annotated[Text, Field(max_length=2000)]
Part = Annotated[Text, Field(max_length=MAX_PART)]
Variables = Annotated[
    dict[str, Any],
    BeforeValidator(lambda given: {} if given is None or given == [] else given),
    AfterValidator(_bounded_variables),
]
ChannelNames = Annotated[
    tuple[Channel, ...],
    BeforeValidator(_channel_names),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": ["email", "push"]},
                {"type": "array", "items": {"type": "string", "enum": list(CHANNELS)}},
                {"type": "null"},
            ]
        }
    ),
]
LinkSchemes = Annotated[
    list[Annotated[str, AfterValidator(app_scheme)]], Field(max_length=10, examples=[["myapp"]]), AfterValidator(sorted)
]


class TemplateSender(BaseModel):
    """The sender of the template's e-mails. A field that is null is the application's, else the deployment's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"from_name": "Billing", "from_email": "billing@example.com", "reply_to": None}]
        }
    )

    from_name: Name | None = None
    from_email: SenderEmail | None = Field(
        default=None, description="Must be in one of the deployment's SENDER_DOMAINS"
    )
    reply_to: SenderEmail | None = None

    @property
    def sender(self) -> Sender:
        return Sender(self.from_name, self.from_email, self.reply_to)

    @staticmethod
    def from_sender(sender: Sender) -> "TemplateSender | None":
        """None if all fields are null."""
        return None if sender == NO_SENDER else TemplateSender.model_construct(**asdict(sender))


class TemplatesQuery(PageQuery):
    search: Annotated[Text, Field(max_length=100)] | None = Field(
        default=None, description="Part of the code, name or description"
    )
    language: Language | None = Field(default=None, description="Only templates that exist in exactly this language")
    channel: Channel | None = Field(default=None, description="Only templates that serve this channel")

    @property
    def filter(self) -> Filter:
        return Filter(self.search, self.language, self.channel)


class VersionsQuery(PageQuery):
    language: Language | None = Field(
        default=None, description="The closest existing language is used, else the default language"
    )


class LanguageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    language: Language | None = None


class VersionQuery(LanguageQuery):
    version: VersionNumber | None = None
