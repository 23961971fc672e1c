"""Templates, their versions and previews, and snippets."""

from datetime import datetime

from notifications.answers.access import Sender
from notifications.answers.base import AnswerModel


class TemplateSummary(AnswerModel):
    code: str
    name: str
    description: str
    channels: list[str]
    languages: list[str]
    default_language: str
    created_at: datetime
    updated_at: datetime


class Template(TemplateSummary):
    """One language and version. Absent parts are empty texts. All `variables` are required.

    `latest_version` is the language's newest one, which may be a draft.
    """

    language: str
    version: int
    active_version: int | None
    latest_version: int
    subject: str
    preheader: str
    content: str
    content_format: str
    text: str
    title: str
    body: str
    image: str
    link: str
    link_schemes: list[str]
    inline_css: bool
    purpose: str | None
    sender: Sender | None
    snippets: dict[str, int]
    variables: list[str]
    warnings: list[str]


class TemplateVersion(AnswerModel):
    language: str
    version: int
    active: bool
    channels: list[str]
    variables: list[str]
    created_at: datetime


class ArchivedTemplate(AnswerModel):
    code: str


class RenderedEmail(AnswerModel):
    subject: str
    html: str
    text: str


class RenderedPush(AnswerModel):
    title: str
    body: str
    image: str
    link: str


class Preview(AnswerModel):
    """What would be sent; None for a channel that the template does not serve."""

    email: RenderedEmail | None
    push: RenderedPush | None
    warnings: list[str]


class SnippetSummary(AnswerModel):
    name: str
    description: str
    version: int
    latest_version: int
    created_at: datetime
    version_created_at: datetime


class Snippet(SnippetSummary):
    content: str


class SnippetUse(AnswerModel):
    """A template that has a version of the snippet in it; `outdated`: there is a later one."""

    code: str
    language: str
    version: int
    snippet_version: int
    outdated: bool


class ArchivedSnippet(AnswerModel):
    name: str
