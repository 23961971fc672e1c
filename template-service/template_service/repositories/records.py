"""The records that the queries return."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from chassis.security import Sender
from contracts.recipients import Channel
from contracts.templates import PushTextSize
from template_service.drafts import NO_SENDER, Draft
from templating import TemplateSource

ContentFormat = Literal["html", "mjml"]


@dataclass(frozen=True, slots=True)
class TemplateRecord:
    """`active` is language → active version; it is empty while the template is archived. `latest` is language → newest
    version, which may be a draft.

    `serves_email` and `serves_push` say whether any active language does.
    """

    id: int
    code: str
    name: str
    description: str
    default_language: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    active: dict[str, int]
    serves_email: bool
    serves_push: bool
    latest: dict[str, int]


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """A version without its parts. `channels` are the author's choice; empty means all channels that the parts serve.

    `purpose`: what users can unsubscribe from; "" means that it is transactional. `push_size` None: not determined yet.
    """

    language: str
    version: int
    required: tuple[str, ...]
    required_by_channel: dict[Channel, tuple[str, ...]]
    serves_email: bool
    serves_push: bool
    created_at: datetime
    channels: tuple[Channel, ...]
    purpose: str
    push_size: PushTextSize | None


@dataclass(frozen=True, slots=True)
class ActiveVersions:
    """The active versions of one template, one for each language."""

    default_language: str
    versions: list[VersionSummary]


@dataclass(frozen=True, slots=True)
class Authored:
    """What the author wrote and chose, where it differs from what is rendered. `warnings` are those of the compilation.

    `sender` is that of its e-mails. `parts` are those besides the content that use snippets. `snippets` are the
    versions that were put in, by name.
    """

    content: str
    preheader: str
    inline_css: bool
    warnings: tuple[str, ...]
    sender: Sender = NO_SENDER
    parts: dict[str, str] = field(default_factory=dict)
    snippets: dict[str, int] = field(default_factory=dict)
    content_format: ContentFormat = "html"


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """`source` is what is rendered."""

    summary: VersionSummary
    source: TemplateSource
    authored: Authored


@dataclass(frozen=True, slots=True)
class IncompleteVersion:
    """A version that an earlier release wrote, without the variables that each channel needs, or the size of a push."""

    template_id: int
    language: str
    version: int
    required: tuple[str, ...]
    channels: tuple[Channel, ...]
    source: TemplateSource


@dataclass(frozen=True, slots=True)
class NewVersion:
    """The stored form of a template that compiled. Names of variables are sorted. `source` is what is rendered."""

    source: TemplateSource
    authored: Authored
    channels: tuple[Channel, ...]
    purpose: str
    required: tuple[str, ...]
    required_by_channel: dict[Channel, tuple[str, ...]]
    serves_email: bool
    serves_push: bool
    push_size: PushTextSize


@dataclass(frozen=True, slots=True)
class TemplateView:
    template: TemplateRecord
    version: VersionRecord

    @property
    def draft(self) -> Draft:
        """The version as its author wrote it."""
        version = self.version
        summary, authored = version.summary, version.authored
        written: dict[str, Any] = {"html": authored.content, **authored.parts}
        source = replace(version.source, **written)
        return Draft(
            source, summary.channels, authored.inline_css, authored.preheader, summary.purpose, authored.sender
        )
