"""Requests and answers about snippets."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, JsonValue

from chassis.fields import Text
from chassis.http.paging import PageQuery
from template_service.repositories.snippets import SnippetRecord, SnippetUse
from template_service.schemas.fields import CODE, MAX_PART, Description, VersionNumber

_CONTENT = '<a class="button" href="{{ url }}">{{ label }}</a>'
_SUMMARY: dict[str, JsonValue] = {
    "name": "button",
    "description": "The button of all mails",
    "version": 2,
    "latest_version": 2,
    "created_at": "2026-01-01T12:00:00Z",
    "version_created_at": "2026-01-02T12:00:00Z",
}

Name = Annotated[str, Field(pattern=f"^{CODE.pattern}$", examples=["footer"])]
Content = Annotated[Text, Field(min_length=1, max_length=MAX_PART)]


class ReplaceSnippet(BaseModel):
    """A snippet's source, with Liquid. A layout is a snippet with `{% block %}`s."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"content": _CONTENT}]})

    content: Content
    description: Description | None = Field(default=None, description="Default: unchanged")


class CreateSnippet(BaseModel):
    """`{% render 'name' %}` puts it into a template, `{% layout 'name' %}` puts a template into it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "button", "content": _CONTENT},
                {"name": "base", "content": "<html><body>{% block content %}{% endblock %}</body></html>"},
            ]
        }
    )

    name: Annotated[Name, Field(validation_alias=AliasChoices("name", "code"))]
    content: Content
    description: Description = ""


class SnippetSummary(BaseModel):
    """A snippet in one `version`, without its content. `created_at` is the first version's."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SUMMARY]})

    name: str
    description: str
    version: int
    latest_version: int
    created_at: datetime
    version_created_at: datetime

    @classmethod
    def from_record(cls, snippet: SnippetRecord) -> Self:
        return cls.model_validate(snippet, from_attributes=True)


class SnippetAnswer(SnippetSummary):
    """A snippet in one version, which never changes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_SUMMARY, "content": _CONTENT}]})

    content: str


class SnippetUseAnswer(BaseModel):
    """A template whose active `version` in this language has the snippet in it. `POST /templates/{code}/refresh` makes an
    `outdated` one take over the latest version.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"code": "welcome_email", "language": "en", "version": 4, "snippet_version": 1, "outdated": True}
            ]
        }
    )

    code: str
    language: str
    version: int
    snippet_version: int
    outdated: bool

    @classmethod
    def from_use(cls, use: SnippetUse) -> Self:
        return cls.model_validate(use, from_attributes=True)


class ArchivedSnippet(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "footer"}]})

    name: str


class SnippetsQuery(PageQuery):
    search: Annotated[Text, Field(max_length=100)] | None = Field(
        default=None, description="Part of the name or description"
    )


class SnippetVersionQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: VersionNumber | None = Field(default=None, description="Default: the latest")
