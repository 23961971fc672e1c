"""What a caller wants saved, and how it meets what is there."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from contracts.recipients import Channel
from templating import TemplateSource

Parts = Mapping[str, str]
"""The parts that were given, by their name in `TemplateSource`; "" takes a part away."""

Channels = tuple[Channel, ...]
"""The channels that an author chose; none: all that the parts serve."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A version as it would be saved."""

    source: TemplateSource = field(default_factory=TemplateSource)
    channels: Channels = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be different. None and parts that are not named stay; `replaces` takes those parts away.

    `language` is the one whose parts change; None is the template's default language.
    """

    parts: Parts
    channels: Channels | None = None
    link_schemes: tuple[str, ...] | None = None
    language: str | None = None
    name: str | None = None
    description: str | None = None
    default_language: str | None = None
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class NewTemplate:
    """A template, or a further language of one that exists (whose name and description then stay)."""

    code: str
    name: str
    description: str
    language: str
    parts: Parts
    channels: Channels = ()
    link_schemes: tuple[str, ...] = ()

    @property
    def draft(self) -> Draft:
        return revised(Draft(), Change(self.parts, self.channels, self.link_schemes), self.name)


def revised(draft: Draft, change: Change, name: str) -> Draft:
    """The draft with this change. What needs a subject, or a title, and has none gets the template's name for one."""
    before = TemplateSource(link_schemes=draft.source.link_schemes) if change.replaces else draft.source
    channels = draft.channels if change.channels is None else change.channels
    changed: dict[str, Any] = {**_named_for(channels, change.parts, before)}
    if change.link_schemes is not None:
        changed["link_schemes"] = change.link_schemes
    source = replace(before, **changed)
    if not source.subject and (source.html or source.text or not source.title):
        source = replace(source, subject=name)
    return Draft(source, channels)


def _named_for(channels: Channels, parts: Parts, source: TemplateSource) -> Parts:
    """The parts under the names that they have for these channels.

    `body` is the message of a template for push alone. For e-mail alone it is another name of `content`, and `title` of
    `subject`. Otherwise it is the push message where there is a `title`, or `content` beside it; else `content`.
    """
    match channels:
        case ("push",):
            return parts
        case ("email",):
            return _renamed(_renamed(parts, "body", "html"), "title", "subject")
        case _ if parts.get("title") or source.title:
            return parts
        case _:
            return _renamed(parts, "body", "html")


def _renamed(parts: Parts, name: str, other: str) -> Parts:
    """`name` as `other`, unless that was given too."""
    if name not in parts or other in parts:
        return parts
    return {**{part: text for part, text in parts.items() if part != name}, other: parts[name]}
