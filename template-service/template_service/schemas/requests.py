"""Request models. Unknown fields are ignored, so no other fields can be set."""

from dataclasses import replace
from typing import Annotated, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue, model_validator

from chassis.errors import field_error
from chassis.fields import ONLY_NUMBERS, Text, TrueOrFalse
from chassis.security import Sender
from contracts.fields import Language, Name
from contracts.recipients import Channel
from contracts.unsubscribing import Purpose
from template_service.drafts import NO_SENDER, Change, NewTemplate, Parts
from template_service.schemas.fields import (
    ChannelNames,
    Code,
    Description,
    LinkSchemes,
    Part,
    TemplateSender,
    Variables,
    VersionNumber,
)

NAME_OF_PART = {
    "subject": "subject",
    "preheader": "preheader",
    "content": "html",
    "text": "text",
    "title": "title",
    "body": "body",
    "image": "image",
    "link": "link",
}
"""The API's names of the parts → the renderer's."""

MAX_PREHEADER = 2_000
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
    """The parts, as sources with `{{ variable }}`. One template may serve both channels.

    E-mail: `content` (HTML or MJML), `text` (derived from the HTML if omitted), `subject`, `preheader`. Push: `title`,
    `body`, `image`, `link`.
    """

    subject: Part | None = Field(default=None, description="E-mail: the subject. Default: the template's name")
    preheader: Annotated[Text, Field(max_length=MAX_PREHEADER)] | None = Field(
        default=None, description="E-mail: the text that a list of mails shows after the subject; the HTML hides it"
    )
    content: Part | None = Field(
        default=None,
        description="E-mail: HTML; MJML, which begins with `<mjml>`; or plain text without markup, whose paragraphs are kept",
    )
    text: Part | None = Field(default=None, description="E-mail: the plain-text part")
    title: Part | None = Field(default=None, description="Push: the title. Default: the subject")
    body: Part | None = Field(
        default=None,
        description="Push: the message. With neither `title` nor `content`, and in a template for e-mail alone, `body` is "
        "another name of `content`",
    )
    image: Part | None = Field(default=None, description="Push: the address of an image")
    link: Part | None = Field(default=None, description="Push: the address that a click opens")

    link_schemes: LinkSchemes | None = Field(
        default=None,
        description="Schemes of apps' links that values may begin with, such as `myapp`. What the template itself says "
        "(`myapp://orders/{{ id }}`) needs none",
    )

    inline_css: TrueOrFalse | None = Field(
        default=None,
        description="Whether the rules of `<style>` are copied into style attributes when the version is saved, for mail "
        "clients that do not read style sheets. Default: true for a new template, unchanged for an existing one",
    )

    @property
    def parts(self) -> Parts:
        """The parts that were sent. Null removes a part."""
        sent = NAME_OF_PART.keys() & self.model_fields_set
        return {NAME_OF_PART[name]: getattr(self, name) or "" for name in sent}

    @property
    def sent_link_schemes(self) -> tuple[str, ...] | None:
        """None if they were not sent. Null removes them."""
        return tuple(self.link_schemes or ()) if "link_schemes" in self.model_fields_set else None

    def need_content(self) -> Self:
        """Raises a 422 about the part that was sent empty, or about `content`."""
        if not (self.content or self.text or self.title or self.body):
            sent = [name for name in ("content", "text", "title", "body") if name in self.model_fields_set]
            raise field_error(next(iter(sent), "content"), "At least one of content, text, title and body is needed")
        return self


class ChannelsBody(PartsBody):
    """Parts, and the channels that they are for."""

    channels: ChannelNames | None = Field(
        default=None,
        description="What the template is for: `email`, `push` or both. Null: all that its parts serve, which for those "
        "of an e-mail is push, too (its text, titled by the subject)",
    )
    channel: ChannelNames | None = Field(default=None, description=_OTHER_NAME)
    type: ChannelNames | None = Field(default=None, description=_OTHER_NAME)
    notification_type: ChannelNames | None = Field(default=None, description=_OTHER_NAME)
    template_type: ChannelNames | None = Field(default=None, description=_OTHER_NAME)

    purpose: Purpose | None = Field(
        default=None,
        description="What the e-mails are for, such as `newsletter`. Users can unsubscribe from it: mails carry a one-click "
        "link (RFC 8058). Null: they are transactional and carry none",
    )

    sender: TemplateSender | None = Field(
        default=None, description="The sender of the e-mails. Null: the application's, else the deployment's"
    )

    @property
    def sent_sender(self) -> Sender | None:
        """None if it was not sent. Null removes it."""
        if "sender" not in self.model_fields_set:
            return None
        return NO_SENDER if self.sender is None else self.sender.sender

    @property
    def sent_purpose(self) -> str | None:
        """None if it was not sent. Null removes it."""
        return (self.purpose or "") if "purpose" in self.model_fields_set else None

    @property
    def sent_channels(self) -> tuple[Channel, ...] | None:
        """None if they were not sent under any name. Raises a 422 about a name that contradicts another."""
        sent = {name: getattr(self, name) or () for name in _CHANNEL_FIELDS if name in self.model_fields_set}
        chosen = next((channels for channels in sent.values() if channels), ())
        for name, channels in sent.items():
            if channels and channels != chosen:
                raise field_error(name, "Contradicts another name of `channels`")
        return chosen if sent else None

    @property
    def channels_name(self) -> str:
        """The name under which `channels` was sent."""
        return next((name for name in _CHANNEL_FIELDS if getattr(self, name)), "channels")


class CreateTemplate(ChannelsBody):
    """`template_code` is another name of `code`, `body` of `content`, and `type` and `channel` of `channels` (see there)."""

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
            inline_css=self.inline_css is not False,
            purpose=self.purpose or "",
            sender=self.sent_sender or NO_SENDER,
        )


class PatchTemplate(ChannelsBody):
    """Only the fields that are sent change. Null or "" removes a part."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"subject": "A warm welcome, {{ name }}"}, {"default_language": "pt-BR"}]}
    )

    language: Language | None = Field(
        default=None, description="The language to change. Default: the template's default language"
    )
    name: Name | None = None
    description: Description | None = None
    default_language: Language | None = Field(
        default=None, description="The language for readers of languages that the template does not have"
    )
    activate: TrueOrFalse = Field(
        default=True,
        description="False: a new version is a draft. It is not sent until `POST …/versions/{version}/activate`",
    )
    latest_version: Annotated[VersionNumber, ONLY_NUMBERS] | None = Field(
        default=None,
        description="The `latest_version` that the caller has read. If there is a newer one, the change is refused with a "
        "409. Null: it is not checked",
    )

    def change(self, language: str | None) -> Change:
        """`language` is the query's; it is used if the body has none."""
        return Change(
            self.parts,
            self.sent_channels,
            self.channels_name,
            self.sent_link_schemes,
            self.inline_css,
            self.sent_purpose,
            self.sent_sender,
            language=self.language or language,
            name=self.name,
            description=self.description,
            default_language=self.default_language,
            activate=self.activate,
            latest_version=self.latest_version,
        )


class ReplaceTemplate(PatchTemplate):
    """Replaces all parts; an omitted part is removed. Other omitted fields stay unchanged."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"subject": "Welcome, {{ name }}", "content": "<h1>Welcome, {{ name }}</h1>"}]}
    )

    _content = model_validator(mode="after")(PartsBody.need_content)

    def change(self, language: str | None) -> Change:
        return replace(super().change(language), replaces=True)


class RenderTemplate(BaseModel):
    """The version to render, and the variables."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"variables": {"name": "Ada", "link": "https://example.com/start"}}]}
    )

    variables: Variables = Field(default_factory=dict)
    language: Language | None = None
    version: Annotated[VersionNumber, ONLY_NUMBERS] | None = None
    channel: Channel | None = Field(
        default=None, description="Render only this channel. Default: all channels that the template serves"
    )


class RenderUnsaved(PartsBody):
    """Parts that are not saved, and the variables to render them with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"subject": "Hi", "content": "<p>Hello {{ name }}</p>", "variables": {"name": "Ada"}}]
        }
    )

    name: Name = Field(default="Preview", description="The subject of an e-mail that has none")
    variables: Variables = Field(default_factory=dict)
    channel: Channel | None = None

    _content = model_validator(mode="after")(PartsBody.need_content)

    @property
    def change(self) -> Change:
        return Change(self.parts, link_schemes=self.sent_link_schemes, inline_css=self.inline_css)
