"""The frame of the inbox's pages, and HTML templates with escaping."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Literal

from devstack.simulators.store import Inbox


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def markup(template: str, **values: object) -> Html:
    """The template with its `{names}` replaced. Every value is escaped unless it is `Html`. Put quotes around attributes."""
    return Html(template.format(**{name: _safe(value) for name, value in values.items()}))


def joined(parts: Iterable[Html]) -> Html:
    return Html("".join(parts))


def web_address(text: str) -> str:
    """The address if a browser may open it (only http and https), else ""."""
    return text if text.lower().startswith(("http://", "https://")) else ""


def _safe(value: object) -> str:
    return value if isinstance(value, Html) else escape(str(value))


Kind = Literal["email", "push"]

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/inbox.css">
<link rel="stylesheet" href="/static/devices.css">
<script src="/static/inbox.js" defer></script>
</head>
<body class="{view}">
<header>
<a class="brand" href="/">Inbox</a>
<nav id="tabs" aria-label="Kind of message">
<a href="/?kind=email"{email_current}>E-mail <span class="count">{emails}</span></a>
<a href="/?kind=push"{push_current}>Push <span class="count">{pushes}</span></a>
</nav>
<span class="note">What the simulated providers took</span>
<button id="clear" type="button">Clear</button>
</header>
<main>
<section class="list" aria-label="Messages">{listing}</section>
<article class="pane">{reading}</article>
</main>
</body>
</html>
"""


@dataclass(frozen=True)
class Page:
    """`view` is `browsing` (phones show the list) or `reading` (phones show the message)."""

    title: str
    kind: Kind
    listing: Html
    reading: Html
    view: Literal["browsing", "reading"] = "browsing"


def render(page: Page, inbox: Inbox) -> Html:
    current = Html(' aria-current="page"')
    return markup(
        _PAGE,
        title=page.title,
        view=page.view,
        emails=f"{inbox.emails.total:,}",
        pushes=f"{inbox.pushes.total:,}",
        email_current=current if page.kind == "email" else "",
        push_current=current if page.kind == "push" else "",
        listing=page.listing,
        reading=page.reading,
    )
