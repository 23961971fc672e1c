"""One push message as a phone or a browser shows it, how it was sent, and its data."""

import json
from collections.abc import Iterable

from devstack.simulators.apns.magic import environment_of
from devstack.simulators.messages import ReceivedPush
from devstack.simulators.pages.device import link_to, render_device
from devstack.simulators.pages.layout import Html, joined, markup
from devstack.simulators.shown import DEVICES, Device, shown_on

_PUSH = """<a class="back" href="/?kind=push">All push messages</a>
{tabs}{screen}
{tap}
<dl class="facts">
{settings}
<dt>Sent over</dt><dd>{provider}</dd>
<dt>Token</dt><dd>{token}</dd>
<dt>Received</dt><dd><time datetime="{at}" class="full">{time} UTC</time></dd>
<dt>Correlation ID</dt><dd>{correlation_id}</dd>
<dt>Request ID</dt><dd>{request_id}</dd>
</dl>
{data}
<details><summary>Source</summary>
<pre>{source}</pre></details>"""

_TAP = '<p class="tap">A tap opens {link}</p>'
_PROVIDERS = {"fcm": "FCM", "web_push": "Web Push", "apns": "APNs"}
_DATA = '<details><summary>Data: {fields}</summary><dl class="facts">{rows}</dl></details>'
_TABS = '<nav class="views" aria-label="Device">{tabs}</nav>'
_TAB = '<a href="/pushes/{id}?device={device}"{marked}>{label}</a>'
_LABELS: dict[Device, str] = {"android": "Android", "ios": "iPhone", "browser": "Browser"}


def render_push(push: ReceivedPush, device: Device | None) -> Html:
    """On that device; on the provider's first one if it is another's."""
    devices = DEVICES[push.provider]
    seen = device if device in devices else devices[0]
    shown = shown_on(seen, push)
    return markup(
        _PUSH,
        tabs=_tabs(push, devices, seen),
        screen=render_device(seen, shown, push.received_at),
        tap=markup(_TAP, link=link_to(push.link)) if push.link and not shown.is_background else "",
        settings=_rows(shown.settings),
        provider=_provider(push),
        token=push.token,
        at=push.received_at.isoformat(),
        time=f"{push.received_at:%Y-%m-%d %H:%M:%S}",
        correlation_id=push.correlation_id or "none",
        request_id=push.request_id or "none",
        data=_data(push.data),
        source=json.dumps(json.loads(push.raw), indent=2, ensure_ascii=False),
    )


def _provider(push: ReceivedPush) -> str:
    sandbox = push.provider == "apns" and environment_of(push.token) == "sandbox"
    return "APNs, sandbox" if sandbox else _PROVIDERS[push.provider]


def _tabs(push: ReceivedPush, devices: tuple[Device, ...], seen: Device) -> Html:
    if len(devices) == 1:
        return Html("")
    return markup(_TABS, tabs=joined(_tab(push, device, seen) for device in devices))


def _tab(push: ReceivedPush, device: Device, seen: Device) -> Html:
    marked = Html(' aria-current="page"') if device == seen else ""
    return markup(_TAB, id=push.id, device=device, marked=marked, label=_LABELS[device])


def _data(data: dict[str, str]) -> Html:
    if not data:
        return Html("")
    fields = "1 field" if len(data) == 1 else f"{len(data)} fields"
    return markup(_DATA, fields=fields, rows=_rows(data.items()))


def _rows(pairs: Iterable[tuple[str, str]]) -> Html:
    return joined(markup("<dt>{name}</dt><dd>{value}</dd>", name=name, value=value) for name, value in pairs)
