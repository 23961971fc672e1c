"""One e-mail: its headers, and HTML, text or source in tabs."""

from html.parser import HTMLParser
from typing import Literal

from devstack.simulators.messages import ReceivedEmail
from devstack.simulators.pages.layout import Html, joined, markup, web_address

View = Literal["html", "text", "source"]

# The frame must not run, submit, open or navigate anything. Its response has the same policy (FRAME_POLICY).
FRAME_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data: http: https:"

_EMAIL = """<a class="back" href="/?kind=email">All e-mail</a>
<h1>{subject}</h1>
<dl class="facts">
<dt>From</dt><dd>{sender}</dd>
<dt>To</dt><dd>{to}</dd>
<dt>Delivered to</dt><dd>{recipient}</dd>
<dt>Received</dt><dd><time datetime="{at}" class="full">{time} UTC</time></dd>
</dl>
<nav class="views" aria-label="View">{tabs}</nav>
{content}
<details><summary>All headers</summary><dl class="facts headers">
<dt>Return path</dt><dd>{envelope_from}</dd>{headers}
<dt>Size</dt><dd>{size} bytes</dd></dl></details>"""

_FRAME = (
    '<iframe class="mail" sandbox="" referrerpolicy="no-referrer" src="/emails/{id}/html" title="{subject}"></iframe>'
)
_LINKS = "<h2>Links in this message</h2><ul class='links'>{items}</ul>"
_LINK = '<li><a href="{href}" target="_blank" rel="noopener noreferrer">{href}</a></li>'
_PRE = "<pre>{text}</pre>"
_ABSENT = '<p class="nothing">This message has no {view} part.</p>'


def render_email(email: ReceivedEmail, view: View) -> Html:
    return markup(
        _EMAIL,
        subject=email.subject or "(no subject)",
        sender=email.from_header,
        to=email.to_header,
        recipient=email.recipient,
        at=email.received_at.isoformat(),
        time=f"{email.received_at:%Y-%m-%d %H:%M:%S}",
        tabs=joined(_tab(email, each, view) for each in ("html", "text", "source")),
        content=_content(email, view),
        envelope_from=email.envelope_from,
        headers=joined(markup("<dt>{name}</dt><dd>{value}</dd>", name=n, value=v) for n, v in email.headers),
        size=f"{email.size:,}",
    )


def _tab(email: ReceivedEmail, view: str, current: View) -> Html:
    marked = Html(' aria-current="page"') if view == current else ""
    label = {"html": "HTML", "text": "Text", "source": "Source"}[view]
    template = '<a href="/emails/{id}?view={view}"{marked}>{label}</a>'
    return markup(template, id=email.id, view=view, marked=marked, label=label)


def _content(email: ReceivedEmail, view: View) -> Html:
    match view:
        case "html" if email.html:
            return joined([markup(_FRAME, id=email.id, subject=email.subject), _links(email.html)])
        case "text" if email.text:
            return markup(_PRE, text=email.text)
        case "source":
            return markup(_PRE, text=email.source)
    return markup(_ABSENT, view=view)


def _links(html: str) -> Html:
    """A sandboxed frame opens no links, so the page lists them."""
    found = _LinkFinder()
    found.feed(html)
    if not found.links:
        return Html("")
    return markup(_LINKS, items=joined(markup(_LINK, href=link) for link in dict.fromkeys(found.links)))


class _LinkFinder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = web_address(dict(attrs).get("href") or "")
        if tag == "a" and address:
            self.links.append(address)
