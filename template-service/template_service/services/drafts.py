"""What a caller wants saved, and how it meets what is there."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from templating import TemplateSource

Parts = Mapping[str, str]
"""The parts that were given, by their name in `TemplateSource`; "" takes a part away."""


@dataclass(frozen=True, slots=True)
class NewTemplate:
    """A template, or a further language of one that exists (whose name and description then stay)."""

    code: str
    name: str
    description: str
    language: str
    parts: Parts

    @property
    def source(self) -> TemplateSource:
        return revised(TemplateSource(), self.parts, self.name)


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be different. None and parts that are not named stay; a full replacement names every part.

    `language` is the one whose parts change; None is the template's default language.
    """

    parts: Parts
    language: str | None = None
    name: str | None = None
    description: str | None = None
    default_language: str | None = None


def revised(source: TemplateSource, parts: Parts, name: str) -> TemplateSource:
    """`source` with these parts. An e-mail without a subject gets the template's name for one."""
    changed = replace(source, **body_as_content(parts, source))
    if (changed.html or changed.text) and not changed.subject:
        return replace(changed, subject=name)
    return changed


def body_as_content(parts: Parts, source: TemplateSource) -> Parts:
    """`body` is the push message where there is a `title`, or `content` beside it; else another name of `content`."""
    is_push = "html" in parts or parts.get("title") or source.title
    if "body" not in parts or is_push:
        return parts
    return {**{name: part for name, part in parts.items() if name != "body"}, "html": parts["body"]}
