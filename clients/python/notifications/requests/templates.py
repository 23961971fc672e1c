"""Templates and snippets. The parts are Liquid sources."""

from collections.abc import Mapping, Sequence
from typing import Any, Required, TypedDict

from notifications.requests.access import SenderFields
from notifications.requests.notifications import Channel


class TemplateParts(TypedDict, total=False):
    """E-mail: subject, preheader, content (HTML or MJML), text. Push: title, body, image, link."""

    subject: str | None
    preheader: str | None
    content: str | None
    text: str | None
    title: str | None
    body: str | None
    image: str | None
    link: str | None
    link_schemes: Sequence[str] | None
    inline_css: bool | None


class UnsavedTemplate(TemplateParts, total=False):
    """`channel`: render for that one only."""

    name: str
    channel: Channel | None
    variables: Mapping[str, Any]


class _Saved(TemplateParts, total=False):
    channels: Sequence[Channel] | None
    purpose: str | None
    sender: SenderFields | None


class NewTemplate(_Saved, total=False):
    """A template, or a further language of one that exists. Default language: `en`."""

    code: Required[str]
    name: Required[str]
    description: str
    language: str


class TemplateChange(_Saved, total=False):
    """Without `activate` a new version is a draft: it is not sent until it is activated. `latest_version`: the one that was
    read; if somebody has saved a newer one since, the change is refused (Conflict, `template_changed`).
    """

    name: str | None
    description: str | None
    default_language: str | None
    activate: bool
    latest_version: int | None
