"""Templates as they are written and previewed, before they are stored or without being stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chassis.security import Sender
from contracts.recipients import Channel
from templating import RenderedEmail, RenderedPush, TemplateSource
from templating.compiler import EMAIL_PARTS, PUSH_PARTS

NO_SENDER = Sender()
"""The application's and the deployment's sender count."""

Parts = Mapping[str, str]
"""The parts that were given, by their name in `TemplateSource`, and the `preheader`; "" removes a part."""

Channels = tuple[Channel, ...]
"""The channels that an author chose; empty means all channels that the parts serve."""

Names = Mapping[str, str]
"""The name that the caller used for a part or for `channels`, where several names are accepted."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A version as it would be saved."""

    source: TemplateSource = field(default_factory=TemplateSource)
    """As the author wrote it."""
    channels: Channels = ()
    inline_css: bool = True
    preheader: str = ""
    purpose: str = ""
    """What users can unsubscribe from; "" means that the template is transactional."""
    sender: Sender = NO_SENDER
    names: Names = field(default_factory=dict, compare=False)

    @property
    def sources(self) -> tuple[str, ...]:
        """All parts that may use snippets."""
        return (*(getattr(self.source, name) for name in EMAIL_PARTS + PUSH_PARTS), self.preheader)


@dataclass(frozen=True, slots=True)
class Change:
    """The fields to change. A field that is None stays. A part that is not named stays, too, unless `replaces` is set: then
    it is removed.

    `language` is the language whose parts change; None means the template's default language. Without `activate`, a new
    version waits until it is activated. `latest_version`: the newest version that the caller knows; if there is a newer one,
    the change is refused.
    """

    parts: Parts
    channels: Channels | None = None
    channels_name: str = "channels"
    link_schemes: tuple[str, ...] | None = None
    inline_css: bool | None = None
    purpose: str | None = None
    sender: Sender | None = None
    language: str | None = None
    name: str | None = None
    description: str | None = None
    default_language: str | None = None
    replaces: bool = False
    activate: bool = True
    latest_version: int | None = None


@dataclass(frozen=True, slots=True)
class NewTemplate:
    """A template, or a further language of one that exists (whose name and description then stay)."""

    code: str
    name: str
    description: str
    language: str
    parts: Parts
    channels: Channels = ()
    channels_name: str = "channels"
    link_schemes: tuple[str, ...] = ()
    inline_css: bool = True
    purpose: str = ""
    sender: Sender = NO_SENDER

    @property
    def draft(self) -> Draft:
        change = Change(
            self.parts,
            self.channels,
            self.channels_name,
            self.link_schemes,
            self.inline_css,
            self.purpose,
            self.sender,
        )
        return revised(Draft(), change, self.name)


def revised(draft: Draft, change: Change, name: str) -> Draft:
    """The draft with this change. A draft that needs a subject or a title and has neither gets the template's name as its
    subject."""
    before = TemplateSource(link_schemes=draft.source.link_schemes) if change.replaces else draft.source
    channels = draft.channels if change.channels is None else change.channels
    names = _names_for(channels, change.parts, before)
    changed: dict[str, Any] = {**change.parts}
    for part, sent in names.items():
        changed[part] = changed.pop(sent)
    if change.link_schemes is not None:
        changed["link_schemes"] = change.link_schemes
    preheader = changed.pop("preheader", "" if change.replaces else draft.preheader)
    source = replace(before, **changed)
    if not source.subject and (source.html or source.text or not source.title):
        source = replace(source, subject=name)
        names["subject"] = "name"
    inline_css = draft.inline_css if change.inline_css is None else change.inline_css
    purpose = draft.purpose if change.purpose is None else change.purpose
    sender = draft.sender if change.sender is None else change.sender
    names["channels"] = change.channels_name
    return Draft(source, channels, inline_css, preheader, purpose, sender, names)


def _names_for(channels: Channels, parts: Parts, source: TemplateSource) -> dict[str, str]:
    """Maps the part that is meant for these channels to the name under which it was given.

    In a template for push alone, `body` is the push message. In a template for e-mail alone, `body` is another name of
    `content`, and `title` is another name of `subject`. In any other template, `body` is the push message when there is
    a `title`, or when `content` is given as well; else it is another name of `content`.
    """
    match channels:
        case ("push",):
            meant = {}
        case ("email",):
            meant = {"html": "body", "subject": "title"}
        case _ if parts.get("title") or source.title:
            meant = {}
        case _:
            meant = {"html": "body"}
    return {part: name for part, name in meant.items() if name in parts and part not in parts}


@dataclass(frozen=True, slots=True)
class Preview:
    """A channel is None when the template does not serve it, or when the caller asked for the other channel only.

    `warnings` are texts about problems that do not prevent sending.
    """

    email: RenderedEmail | None
    push: RenderedPush | None
    warnings: tuple[str, ...] = ()
