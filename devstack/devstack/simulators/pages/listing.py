"""The list of messages, and the page without a selected message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlencode

from devstack.simulators.apns.magic import APNS_TABLE
from devstack.simulators.magic import EMAIL_TABLE, PUSH_TABLE
from devstack.simulators.messages import Received, ReceivedEmail
from devstack.simulators.pages.layout import Html, Kind, joined, markup
from devstack.simulators.store import Inbox
from devstack.simulators.web_push.magic import WEB_PUSH_TABLE

_WELCOME = """<div class="welcome">
<div id="summary"><h1>{headline}</h1>
<p>{counts}</p></div>
<h2>Send one</h2>
<p>Through the gateway, with the token of a login and the id of a user who has this channel:</p>
<pre>{curl}</pre>
<p>Or as a notification in this browser: the <a href="/demo/">Web Push demo</a>.</p>
<details{opened}><summary>Recipients that misbehave on purpose</summary>
<table><caption>E-mail: the part before the @, at any domain, with any +tag</caption>{emails}</table>
<table><caption>Push over FCM: how the token begins</caption>{pushes}</table>
<table><caption>Push to a browser: how its name begins; <code>/api/web-push/subscriptions/NAME</code> is its
subscription</caption>{browsers}</table>
<table><caption>Push over APNs: how the token begins; NN is how often, 00 is always</caption>{apple}</table>
</details>
</div>"""

_CURL = """curl -X POST {gateway}/api/v1/notifications/ \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{{"notification_type": "{kind}", "user_id": "'$USER_ID'",
       "template_code": "welcome_email", "request_id": "{kind}-'$RANDOM$RANDOM'",
       "variables": {{"name": "Ada", "link": "https://example.com"}}}}'"""


def render_welcome(kind: Kind, inbox: Inbox, gateway_url: str) -> Html:
    shelf = inbox.emails if kind == "email" else inbox.pushes
    return markup(
        _WELCOME,
        headline="Choose a message to read it" if shelf.total else "Nothing has been sent yet",
        counts=f"{shelf.total:,} taken, also what came back afterwards; {shelf.refused:,} refused at once.",
        curl=_CURL.format(gateway=gateway_url, kind=kind),
        opened=Html("") if shelf.total else Html(" open"),
        emails=_rows(EMAIL_TABLE),
        pushes=_rows(PUSH_TABLE),
        browsers=_rows(WEB_PUSH_TABLE),
        apple=_rows(APNS_TABLE),
    )


def _rows(table: Mapping[str, str]) -> Html:
    row = '<tr><th scope="row"><code>{name}</code></th><td>{effect}</td></tr>'
    return joined(markup(row, name=name, effect=effect) for name, effect in table.items())


PAGE_SIZE = 50

_LIST = """<form class="search" method="get" action="/">
<input type="hidden" name="kind" value="{kind}">
<input type="search" name="recipient" value="{recipient}" placeholder="{placeholder}" aria-label="{placeholder}">
</form>
<div id="messages">{rows}{older}</div>"""

_ROW = """<a class="row" href="{href}"{current}>
<span class="who">{who}</span><time datetime="{at}">{time}</time>
<span class="what" dir="auto">{what}</span>
<span class="from" dir="auto">{sender}</span>
</a>"""

_NOTHING = '<p class="nothing">{text}</p>'
_OLDER = '<a class="older" href="/?{query}">Older messages</a>'


@dataclass(frozen=True)
class Listing:
    """The filter of a list: one kind, recipients that contain a text, messages older than an id."""

    kind: Kind = "email"
    recipient: str = ""
    before: int | None = None
    selected: int | None = None

    def messages(self, inbox: Inbox) -> list[Received]:
        """One more than a page has, if there are more."""
        shelf = inbox.emails if self.kind == "email" else inbox.pushes
        wanted = (message for message in shelf.newest_first() if self._shows(message))
        return list(islice(wanted, PAGE_SIZE + 1))

    def _shows(self, message: Received) -> bool:
        older = self.before is None or message.id < self.before
        return older and self.recipient.lower() in message.recipient.lower()


def render_listing(listing: Listing, inbox: Inbox) -> Html:
    found = listing.messages(inbox)
    shown = found[:PAGE_SIZE]
    return markup(
        _LIST,
        kind=listing.kind,
        recipient=listing.recipient,
        placeholder="Search by recipient" if listing.kind == "email" else "Search by token",
        rows=joined(_row(message, listing) for message in shown) if shown else _nothing(listing),
        older=_older(listing, shown) if len(found) > PAGE_SIZE else "",
    )


def _row(message: Received, listing: Listing) -> Html:
    if isinstance(message, ReceivedEmail):
        href, what = f"/emails/{message.id}", message.subject or "(no subject)"
        sender = message.from_header or message.envelope_from
    else:
        href, what, sender = f"/pushes/{message.id}", message.title or "(no title)", message.body
    return markup(
        _ROW,
        href=href,
        current=Html(' aria-current="true"') if message.id == listing.selected else "",
        who=message.recipient,
        at=message.received_at.isoformat(),
        time=f"{message.received_at:%H:%M:%S}",
        what=what,
        sender=sender,
    )


def _nothing(listing: Listing) -> Html:
    return markup(_NOTHING, text="Nothing matches." if listing.recipient or listing.before else "Nothing yet.")


def _older(listing: Listing, shown: Sequence[Received]) -> Html:
    query = {"kind": listing.kind, "recipient": listing.recipient, "before": shown[-1].id}
    return markup(_OLDER, query=urlencode(query))
