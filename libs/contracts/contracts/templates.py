"""Templates, as services that use them know them, and their look-up."""

from typing import Any

from pydantic import Field, TypeAdapter

from chassis.http.client import ServiceClient, found_of
from chassis.http.envelope import Envelope
from contracts.messages import TemplateRef
from contracts.recipients import Channel, Contract

TEMPLATE_CACHE = "template"
TEMPLATE_VERSION_CACHE = "template_version"
MAX_TEMPLATE_QUESTION = 1_000
MAX_WHOLE_TEMPLATES = 20  # each may have a megabyte


class TemplateInfo(Contract):
    """One immutable version in one language, and what it needs.

    `required` are the names (dotted paths) of the variables without which it cannot be rendered for all of its channels,
    `required_by_channel` those of each one. A template service of the release before says nothing of the latter.
    """

    code: str
    version: int
    language: str
    required: tuple[str, ...] = ()
    required_by_channel: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    serves_email: bool
    serves_push: bool
    subject: str = ""
    html: str = ""
    text: str = ""
    title: str = ""
    body: str = ""
    image: str = ""
    link: str = ""
    link_schemes: tuple[str, ...] = ()

    @property
    def outline(self) -> "TemplateInfo":
        """Without the parts: what is asked of a template before it is rendered."""
        return TemplateInfo(
            code=self.code,
            version=self.version,
            language=self.language,
            required=self.required,
            required_by_channel=self.required_by_channel,
            serves_email=self.serves_email,
            serves_push=self.serves_push,
        )

    def required_for(self, channel: Channel) -> tuple[str, ...]:
        """Those of all channels where the ones of this channel are not known."""
        return self.required_by_channel.get(channel, self.required)


class ActiveTemplate(Contract):
    """What is active now in every language, without the parts.

    Cached whole under `code`: one write invalidates all languages at once. `contracts.fields.choose_language` picks.
    """

    code: str
    default_language: str
    languages: dict[str, TemplateInfo]


class TemplateQuestion(Contract):
    """Body of `POST /internal/templates/find`.

    `active` are codes; `outlines` and `whole` are versions, active or not, without and with their parts.
    """

    active: tuple[str, ...] = Field(default=(), max_length=MAX_TEMPLATE_QUESTION)
    outlines: tuple[TemplateRef, ...] = Field(default=(), max_length=MAX_TEMPLATE_QUESTION)
    whole: tuple[TemplateRef, ...] = Field(default=(), max_length=MAX_WHOLE_TEMPLATES)


class TemplateFindings(Contract):
    """The answer, what is known: an `ActiveTemplate` under each code, a `TemplateInfo` under each version's name.

    A version's name is the text of its `TemplateRef`.
    """

    active: dict[str, dict[str, Any]]
    outlines: dict[str, dict[str, Any]]
    whole: dict[str, dict[str, Any]]


_TEMPLATES = TypeAdapter(Envelope[TemplateFindings])


async def find_templates(templates: ServiceClient, question: TemplateQuestion) -> TemplateFindings:
    body = question.model_dump_json(exclude_defaults=True).encode()
    return found_of(_TEMPLATES, *await templates.post("/internal/templates/find", body))
