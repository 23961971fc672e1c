"""What a template version stores, and what comes out of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """Liquid sources. E-mail uses subject, html and text; push uses title, body, image and link. "" means absent.

    `html` without any markup is plain text: its HTML is made from it, with its paragraphs. `link_schemes` are those of
    apps' links that values may begin with (`myapp`), each as `urls.app_scheme` gives it.
    """

    subject: str = ""
    html: str = ""
    text: str = ""
    title: str = ""
    body: str = ""
    image: str = ""
    link: str = ""
    link_schemes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """`subject` is one line without control characters; `html` is "" when the template has only text."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class RenderedPush:
    """Plain text; `title` is one line; `image` is an http(s) URL or ""; `link` may be an app's or an address, too."""

    title: str
    body: str
    image: str
    link: str
