"""Templates as the services that use them see them, and their look-up."""

from typing import Any

from pydantic import Field, TypeAdapter

from chassis.http.client import ServiceClient, found_of
from chassis.http.envelope import Envelope
from chassis.security import Sender
from contracts.messages import TemplateRef
from contracts.recipients import Channel, Contract

TEMPLATE_CACHE = "template"
TEMPLATE_VERSION_CACHE = "template_version"
MAX_TEMPLATE_QUESTION = 1_000
MAX_WHOLE_TEMPLATES = 20  # each one may have a megabyte


class PushTextSize(Contract):
    """The texts of a push have at most `literal` bytes, and so many times the bytes of each named value, all as JSON.

    `bounded` False: a template with loops, for example; only a rendering tells.
    """

    literal: int = 0
    values: dict[str, int] = Field(default_factory=dict)
    bounded: bool = True


class TemplateInfo(Contract):
    """One immutable version in one language, and its requirements.

    `required` are the dotted names of the variables that rendering all of its channels needs, `required_by_channel` those
    of each channel. Template services of the previous release omit the latter, and `push_size`. `purpose`: users can
    unsubscribe from its e-mails; None: it is transactional. `sender`: that of its e-mails, only with the parts.
    """

    code: str
    version: int
    language: str
    required: tuple[str, ...] = ()
    required_by_channel: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    serves_email: bool
    serves_push: bool
    push_size: PushTextSize | None = None
    purpose: str | None = None
    sender: Sender | None = None
    subject: str = ""
    html: str = ""
    text: str = ""
    title: str = ""
    body: str = ""
    image: str = ""
    link: str = ""
    link_schemes: tuple[str, ...] = ()

    @property
    def without_content(self) -> "TemplateInfo":
        """What is needed before rendering: all fields but the parts and the sender."""
        return TemplateInfo(
            code=self.code,
            version=self.version,
            language=self.language,
            required=self.required,
            required_by_channel=self.required_by_channel,
            serves_email=self.serves_email,
            serves_push=self.serves_push,
            push_size=self.push_size,
            purpose=self.purpose,
        )

    def required_for(self, channel: Channel) -> tuple[str, ...]:
        """The required variables of this channel; those of all channels if they are not known."""
        return self.required_by_channel.get(channel, self.required)


class ActiveTemplate(Contract):
    """The active version of every language, without the parts.

    It is cached under `code` as a whole, so one write invalidates all languages. `contracts.fields.choose_language` chooses
    one.
    """

    code: str
    default_language: str
    languages: dict[str, TemplateInfo]


class TemplateQuestion(Contract):
    """Body of `POST /internal/templates/find`.

    `active` are codes. `outlines` and `whole` are versions, active or not; the answer has the parts of `whole`
    only. An outline is a version without its parts.
    """

    active: tuple[str, ...] = Field(default=(), max_length=MAX_TEMPLATE_QUESTION)
    outlines: tuple[TemplateRef, ...] = Field(default=(), max_length=MAX_TEMPLATE_QUESTION)
    whole: tuple[TemplateRef, ...] = Field(default=(), max_length=MAX_WHOLE_TEMPLATES)


class TemplateFindings(Contract):
    """The response: an `ActiveTemplate` under each known code, and a `TemplateInfo` under the name of each known version.

    The name of a version is the text of its `TemplateRef`.
    """

    active: dict[str, dict[str, Any]]
    outlines: dict[str, dict[str, Any]]
    whole: dict[str, dict[str, Any]]


_TEMPLATES = TypeAdapter(Envelope[TemplateFindings])


async def find_templates(templates: ServiceClient, question: TemplateQuestion) -> TemplateFindings:
    body = question.model_dump_json(exclude_defaults=True).encode()
    return found_of(_TEMPLATES, *await templates.post("/internal/templates/find", body))
