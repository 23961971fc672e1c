"""What callers send. Unknown fields are ignored, so nothing but these can be set."""

from dataclasses import replace
from typing import Annotated, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue, model_validator

from chassis.errors import field_error
from chassis.fields import ONLY_NUMBERS
from contracts.fields import Language, Name
from contracts.recipients import Channel
from template_service.drafts import Change, NewTemplate, Parts
from template_service.schemas.fields import (
    ChannelNames,
    Code,
    Description,
    LinkSchemes,
    Part,
    Variables,
    VersionNumber,
)

NAME_OF_PART = {
    "subject": "subject",
    "content": "html",
    "text": "text",
    "title": "title",
    "body": "body",
    "image": "image",
    "link": "link",
}
"""The API's names of the parts → the renderer's."""

_CHANNEL_FIELDS = ("channels", "channel", "type", "notification_type", "template_type")
_OTHER_NAME = "Another name of `channels`"

WELCOME: dict[str, JsonValue] = {
    "code": "welcome_email",
    "name": "Welcome",
    "description": "Sent to new users",
    "subject": "Welcome, {{ name }}",
    "content": "<h1>Hello {{ name }}</h1><p><a href='{{ link }}'>Begin here</a></p>",
    "language": "en",
}
ORDER: dict[str, JsonValue] = {
    "code": "order_shipped",
    "name": "Order shipped",
    "title": "Order {{ order.id }} is on its way",
    "body": "It arrives {{ order.arrival | default: 'soon' }}",
    "link": "{{ order.url }}",
    "language": "en",
}


class PartsBody(BaseModel):
    """The parts, as sources with `{{ variable }}` in them. One template may serve both channels.

    E-mail: `content` (HTML), `text` (made from the HTML when it is not there), `subject`.
    Push: `title`, `body`, `image`, `link`.
    """

    subject: Part | None = Field(
        default=None, description="E-mail: the subject; the template's name when there is none"
    )
    content: Part | None = Field(
        default=None, description="E-mail: the HTML, or plain text whose paragraphs are kept when it holds no markup"
    )
    text: Part | None = Field(default=None, description="E-mail: the plain-text part")
    title: Part | None = Field(default=None, description="Push: the title; the subject when there is none")
    body: Part | None = Field(
        default=None,
        description="Push: the message. With neither `title` nor `content`, and in a template for e-mail alone, `body` is "
        "another name of `content`",
    )
    image: Part | None = Field(default=None, description="Push: the address of an image")
    link: Part | None = Field(default=None, description="Push: where a click leads")

    link_schemes: LinkSchemes | None = Field(
        default=None,
        description="Schemes of apps' links that values may begin with, such as `myapp`. What the template itself says "
        "(`myapp://orders/{{ id }}`) needs none",
    )

    @property
    def parts(self) -> Parts:
        """Those that were sent; null takes a part away."""
        sent = NAME_OF_PART.keys() & self.model_fields_set
        return {NAME_OF_PART[name]: getattr(self, name) or "" for name in sent}

    @property
    def sent_link_schemes(self) -> tuple[str, ...] | None:
        """None when they were not sent; null takes them away."""
        return tuple(self.link_schemes or ()) if "link_schemes" in self.model_fields_set else None

    def need_content(self) -> Self:
        """Raises a 422 about the one that was sent empty, or about `content`."""
        if not (self.content or self.text or self.title or self.body):
            sent = [name for name in ("content", "text", "title", "body") if name in self.model_fields_set]
            raise field_error(next(iter(sent), "content"), "At least one of content, text, title and body is needed")
        return self


class ChannelsBody(PartsBody):
    """Parts, and what they are for."""

    channels: ChannelNames | None = Field(
        default=None,
        description="What the template is for: `email`, `push` or both. Null: all that its parts serve, which for those "
        "of an e-mail is push, too (its text, titled by the subject)",
    )
    channel: ChannelNames | None = Field(default=None, description=_OTHER_NAME)
    type: ChannelNames | None = Field(default=None, description=_OTHER_NAME)
    notification_type: ChannelNames | None = Field(default=None, description=_OTHER_NAME)
    template_type: ChannelNames | None = Field(default=None, description=_OTHER_NAME)

    @property
    def sent_channels(self) -> tuple[Channel, ...] | None:
        """None when they were not sent under any name. Raises a 422 about a name that contradicts another."""
        sent = {name: getattr(self, name) or () for name in _CHANNEL_FIELDS if name in self.model_fields_set}
        chosen = next((channels for channels in sent.values() if channels), ())
        for name, channels in sent.items():
            if channels and channels != chosen:
                raise field_error(name, "Says something else than the other names of `channels`")
        return chosen if sent else None

    @property
    def channels_name(self) -> str:
        """The one of its names under which `channels` was sent."""
        return next((name for name in _CHANNEL_FIELDS if getattr(self, name)), "channels")


class CreateTemplate(ChannelsBody):
    """`template_code` is accepted for `code`, `body` for `content`, `type` and `channel` for `channels` (see there)."""

    model_config = ConfigDict(json_schema_extra={"examples": [WELCOME, ORDER]})

    code: Annotated[Code, Field(validation_alias=AliasChoices("code", "template_code"))]
    name: Name
    description: Description = ""
    language: Language = "en"

    _content = model_validator(mode="after")(PartsBody.need_content)

    def new_template(self) -> NewTemplate:
        return NewTemplate(
            self.code,
            self.name,
            self.description,
            self.language,
            self.parts,
            self.sent_channels or (),
            self.channels_name,
            self.sent_link_schemes or (),
        )


class PatchTemplate(ChannelsBody):
    """Only what is sent changes; a part sent as null or "" is taken away."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"subject": "A warm welcome, {{ name }}"}, {"default_language": "pt-BR"}]}
    )

    language: Language | None = Field(
        default=None, description="Whose parts change; else the template's default language"
    )
    name: Name | None = None
    description: Description | None = None
    default_language: Language | None = Field(default=None, description="What readers of other languages get")

    def change(self, language: str | None) -> Change:
        """`language` is the query's, for a body without one."""
        return Change(
            self.parts,
            self.sent_channels,
            self.channels_name,
            self.sent_link_schemes,
            language=self.language or language,
            name=self.name,
            description=self.description,
            default_language=self.default_language,
        )


class ReplaceTemplate(PatchTemplate):
    """All parts are replaced: one that is not sent is taken away. What is no part stays unless sent."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"subject": "Welcome, {{ name }}", "content": "<h1>Welcome, {{ name }}</h1>"}]}
    )

    _content = model_validator(mode="after")(PartsBody.need_content)

    def change(self, language: str | None) -> Change:
        return replace(super().change(language), replaces=True)


class RenderTemplate(BaseModel):
    """Which version to fill in, and with what."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"variables": {"name": "Ada", "link": "https://example.com/start"}}]}
    )

    variables: Variables = Field(default_factory=dict)
    language: Language | None = None
    version: Annotated[VersionNumber, ONLY_NUMBERS] | None = None
    channel: Channel | None = Field(default=None, description="Only this one; else all that the template serves")


class RenderUnsaved(PartsBody):
    """Parts that are not saved, and what to fill them with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"subject": "Hi", "content": "<p>Hello {{ name }}</p>", "variables": {"name": "Ada"}}]
        }
    )

    name: Name = Field(default="Preview", description="Becomes the subject of an e-mail without one")
    variables: Variables = Field(default_factory=dict)
    channel: Channel | None = None

    _content = model_validator(mode="after")(PartsBody.need_content)

    @property
    def change(self) -> Change:
        return Change(self.parts, link_schemes=self.sent_link_schemes)
