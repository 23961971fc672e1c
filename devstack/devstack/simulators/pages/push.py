"""One push message as a phone or a browser would show it, and its data."""

import json

from devstack.simulators.messages import ReceivedPush
from devstack.simulators.pages.layout import Html, joined, markup, web_address

_PUSH = """<a class="back" href="/?kind=push">All push messages</a>
<div class="{device}">
<div class="notification">
<div class="app"><span class="dot"></span>{app}{badge}<time datetime="{at}">{clock}</time></div>
<div class="shown"><div><strong>{title}</strong><p>{body}</p></div>{image}</div>
</div>
{tap}
</div>
<dl class="facts">
<dt>Sent over</dt><dd>{provider}</dd>
<dt>Token</dt><dd>{token}</dd>
<dt>Received</dt><dd><time datetime="{at}" class="full">{time} UTC</time></dd>
<dt>Correlation ID</dt><dd>{correlation_id}</dd>
<dt>Request ID</dt><dd>{request_id}</dd>
</dl>
{data}
<h2>Source</h2>
<pre>{source}</pre>"""

_IMAGE = '<img src="{src}" alt="" referrerpolicy="no-referrer">'
_TAP = '<p class="tap">A tap opens <a href="{href}" target="_blank" rel="noopener noreferrer">{href}</a></p>'
_TAP_TEXT = '<p class="tap">A tap opens {link}</p>'
_PROVIDERS = {"fcm": "FCM", "web_push": "Web Push", "apns": "APNs"}
_DATA = '<h2>Data</h2><dl class="facts">{rows}</dl>'


def render_push(push: ReceivedPush) -> Html:
    return markup(
        _PUSH,
        device="browser" if push.provider == "web_push" else "phone",
        app="Browser" if push.provider == "web_push" else "App",
        provider=_PROVIDERS[push.provider],
        at=push.received_at.isoformat(),
        clock=f"{push.received_at:%H:%M}",
        time=f"{push.received_at:%Y-%m-%d %H:%M:%S}",
        title=push.title or ("(nothing is shown)" if not push.body else "(no title)"),
        body=push.body,
        badge=_badge(push.badge),
        image=_image(push.image),
        tap=_tap(push.link),
        token=push.token,
        correlation_id=push.correlation_id or "none",
        request_id=push.request_id or "none",
        data=_data(push.data),
        source=json.dumps(json.loads(push.raw), indent=2, ensure_ascii=False),
    )


def _image(address: str) -> Html:
    return markup(_IMAGE, src=address) if web_address(address) else Html("")


def _badge(number: int | None) -> Html:
    return Html("") if number is None else markup('<span class="badge">{number}</span>', number=number)


def _tap(link: str) -> Html:
    if not link:
        return Html("")
    return markup(_TAP, href=link) if web_address(link) else markup(_TAP_TEXT, link=link)


def _data(data: dict[str, str]) -> Html:
    if not data:
        return Html("")
    rows = joined(markup("<dt>{name}</dt><dd>{value}</dd>", name=name, value=value) for name, value in data.items())
    return markup(_DATA, rows=rows)
