"""What a template version stores, and what comes out of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """Liquid sources. E-mail uses subject, html and text; push uses title, body, image and link. "" means absent."""

    subject: str = ""
    html: str = ""
    text: str = ""
    title: str = ""
    body: str = ""
    image: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """`subject` is one line without control characters; `html` is "" when the template has only text."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class RenderedPush:
    """Plain text; `title` is one line; `image` and `link` are http(s) URLs or ""."""

    title: str
    body: str
    image: str
    link: str
