"""Response models."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from contracts.recipients import Channel
from template_service.drafts import Preview
from template_service.repositories.records import ContentFormat, TemplateRecord, TemplateView, VersionSummary
from template_service.schemas.fields import TemplateSender
from templating import RenderedEmail, RenderedPush

_ABOUT: dict[str, JsonValue] = {
    "code": "welcome_email",
    "name": "Welcome",
    "description": "Sent to new users",
    "default_language": "en",
    "languages": ["en", "pt-BR"],
    "channels": ["email", "push"],
    "created_at": "2026-01-01T12:00:00Z",
    "updated_at": "2026-01-02T12:00:00Z",
}
_PARTS: dict[str, JsonValue] = {
    "subject": "Welcome, {{ name }}",
    "preheader": "Begin with three steps",
    "content": "<h1>Hello {{ name }}</h1>",
    "text": "",
    "title": "",
    "body": "",
    "image": "",
    "link": "",
    "link_schemes": [],
    "content_format": "html",
    "inline_css": True,
    "purpose": None,
    "sender": None,
    "warnings": [],
    "snippets": {"base": 3, "footer": 1},
}
_VERSION: dict[str, JsonValue] = {
    "language": "en",
    "version": 2,
    "active_version": 2,
    "latest_version": 2,
    "variables": ["name"],
}


class TemplateSummary(BaseModel):
    """A template in a list. `channels` are the channels that at least one of its `languages` serves."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ABOUT]})

    code: str
    name: str
    description: str
    default_language: str
    languages: list[str]
    channels: list[Channel]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_record(cls, template: TemplateRecord) -> Self:
        return cls(
            code=template.code,
            name=template.name,
            description=template.description,
            default_language=template.default_language,
            languages=sorted(template.active),
            channels=channels(email=template.serves_email, push=template.serves_push),
            created_at=template.created_at,
            updated_at=template.updated_at,
        )


class TemplateAnswer(TemplateSummary):
    """A template in one language and version. All `variables` are required. "" is an absent part.

    The parts are as the author wrote them. `warnings` are texts about CSS that could not be inlined. `snippets` are the
    versions of the snippets that are in it: later versions of them do not change it.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{**_ABOUT, **_VERSION, **_PARTS}]})

    language: str
    version: int
    active_version: int | None
    latest_version: int = Field(description="The newest one in this language, which may be a draft")
    variables: list[str]
    subject: str
    preheader: str
    content: str
    text: str
    title: str
    body: str
    image: str
    link: str
    link_schemes: list[str]
    content_format: ContentFormat
    inline_css: bool
    purpose: str | None = Field(description="What users can unsubscribe from; null: the template is transactional")
    sender: TemplateSender | None = Field(description="Null: the application's, else the deployment's")
    warnings: list[str]
    snippets: dict[str, int]

    @classmethod
    def of_view(cls, view: TemplateView) -> Self:
        summary, source, authored = view.version.summary, view.draft.source, view.version.authored
        about = TemplateSummary.from_record(view.template).model_dump()
        about["channels"] = channels(email=summary.serves_email, push=summary.serves_push)
        return cls(
            **about,
            language=summary.language,
            version=summary.version,
            active_version=view.template.active.get(summary.language),
            latest_version=view.template.latest[summary.language],
            variables=list(summary.required),
            subject=source.subject,
            preheader=authored.preheader,
            content=source.html,
            text=source.text,
            title=source.title,
            body=source.body,
            image=source.image,
            link=source.link,
            link_schemes=list(source.link_schemes),
            content_format=authored.content_format,
            inline_css=authored.inline_css,
            purpose=summary.purpose or None,
            sender=TemplateSender.from_sender(authored.sender),
            warnings=list(authored.warnings),
            snippets=authored.snippets,
        )


class VersionAnswer(BaseModel):
    """A version in a language's history. New notifications use the `active` one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": 2,
                    "language": "en",
                    "active": True,
                    "variables": ["name"],
                    "channels": ["email", "push"],
                    "created_at": "2026-01-02T12:00:00Z",
                }
            ]
        }
    )

    version: int
    language: str
    active: bool
    variables: list[str]
    channels: list[Channel]
    created_at: datetime

    @classmethod
    def from_summary(cls, template: TemplateRecord, summary: VersionSummary) -> Self:
        return cls(
            version=summary.version,
            language=summary.language,
            active=template.active.get(summary.language) == summary.version,
            variables=list(summary.required),
            channels=channels(email=summary.serves_email, push=summary.serves_push),
            created_at=summary.created_at,
        )


class PreviewAnswer(BaseModel):
    """The rendered template. A channel is null if it is not served or was not requested.

    `warnings` are texts about problems that do not prevent sending, such as an HTML that Gmail cuts off,
    or CSS that could not be inlined.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "email": {"subject": "Hi", "html": "<p>Hello Ada</p>", "text": "Hello Ada"},
                    "push": None,
                    "warnings": [],
                }
            ]
        },
    )

    email: RenderedEmail | None
    push: RenderedPush | None
    warnings: list[str]

    @classmethod
    def from_preview(cls, preview: Preview) -> Self:
        return cls(email=preview.email, push=preview.push, warnings=list(preview.warnings))


class ArchivedAnswer(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "welcome_email"}]})

    code: str


def channels(*, email: bool, push: bool) -> list[Channel]:
    served: dict[Channel, bool] = {"email": email, "push": push}
    return [channel for channel, serves in served.items() if serves]
