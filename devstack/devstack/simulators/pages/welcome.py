"""The reading pane while nothing is selected: how to send a message, and who misbehaves on purpose."""

from collections.abc import Mapping

from devstack.simulators.magic import EMAIL_TABLE, PUSH_TABLE
from devstack.simulators.pages.layout import Kind
from devstack.simulators.pages.markup import Html, joined, markup
from devstack.simulators.store import Inbox

_WELCOME = """<div class="welcome">
<div id="summary"><h1>{headline}</h1>
<p>{counts}</p></div>
<h2>Send one</h2>
<p>Through the gateway, with the token of a login and the id of a user who has this channel:</p>
<pre>{curl}</pre>
<details{opened}><summary>Recipients that misbehave on purpose</summary>
<table><caption>E-mail: the part before the @, at any domain, with any +tag</caption>{emails}</table>
<table><caption>Push: how the token begins</caption>{pushes}</table>
</details>
</div>"""

_CURL = """curl -X POST {gateway}/api/v1/notifications/ \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{{"notification_type": "{kind}", "user_id": "'$USER_ID'",
       "template_code": "welcome_email", "request_id": "{kind}-'$(date +%s)'",
       "variables": {{"name": "Ada", "link": "https://example.com"}}}}'"""


def render_welcome(kind: Kind, inbox: Inbox, gateway_url: str) -> Html:
    shelf = inbox.emails if kind == "email" else inbox.pushes
    return markup(
        _WELCOME,
        headline="Choose a message to read it" if shelf.total else "Nothing has been delivered yet",
        counts=f"{shelf.total:,} taken, {shelf.refused:,} turned away.",
        curl=_CURL.format(gateway=gateway_url, kind=kind),
        opened=Html("") if shelf.total else Html(" open"),
        emails=_rows(EMAIL_TABLE),
        pushes=_rows(PUSH_TABLE),
    )


def _rows(table: Mapping[str, str]) -> Html:
    row = '<tr><th scope="row"><code>{name}</code></th><td>{effect}</td></tr>'
    return joined(markup(row, name=name, effect=effect) for name, effect in table.items())
