"""A device's screen with one notification, which opens as there: `<details>` needs no script, and works with the keyboard."""

from datetime import datetime

from devstack.simulators.pages.layout import Html, joined, markup, web_address
from devstack.simulators.shown import MAX_BUTTONS, Button, Device, Shown

# The numbers of lines are those of static/devices.css. Sources:
# - Apple: "the system truncates" is all there is; one and four lines are what iPhones' lock screens show.
# - developer.android.com/develop/ui/views/notifications/build-notification: "truncated to fit one line"; FCM's SDK makes it
#   expandable (BigTextStyle, or BigPictureStyle with an image).
# - Chromium's ui/message_center: kMaxLinesForMessageLabel = 1, kMaxLinesForExpandedMessageLabel = 4.
CUTS: dict[Device, str] = {
    "android": "As Android shows it: one line of the title and one of the text, all when it is opened. It keeps "
    "1,024 characters of each.",
    "ios": "As an iPhone's lock screen shows it: one line of the title and four of the text, all when it is opened. Apple "
    "documents no numbers.",
    "browser": "As Chrome shows it on a desktop: one line of the title and one of the text, four when it is opened, and "
    f"{MAX_BUTTONS} buttons.",
}

_SCREEN = """<figure class="device">
<div class="screen {device}">
<p class="hour" aria-hidden="true"><time datetime="{at}" class="clock">{clock}</time></p>
{card}
</div>
<figcaption>{caption}</figcaption>
</figure>"""

_CARD = """<details class="card">
<summary>
<span class="icon">{icon}{badge}</span>
<span class="words">
<span class="head"><span class="name">{app}</span><time datetime="{at}" class="clock">{time}</time></span>
{mark}<strong class="title" dir="auto">{title}</strong>{subtitle}
<span class="body" dir="auto">{body}</span>
</span>{thumbnail}
</summary>
{picture}{buttons}
</details>"""

_ICON = '<svg viewBox="0 0 24 24" aria-hidden="true"{fill}><rect width="24" height="24" rx="6"/></svg>'
_BADGE = '<span class="badge" title="Number on the app\'s icon">{number}</span>'
_MARK = '<span class="mark">{mark}</span>\n'
_SUBTITLE = '\n<span class="subtitle" dir="auto">{text}</span>'
_FRAME = """<svg viewBox="0 0 24 24" aria-hidden="true">
<path d="M3 5h18v14H3zM3 16l5-5 4 4 3-3 6 5"/><circle cx="16" cy="9" r="1.5"/></svg>"""
_THUMBNAIL = '\n<span class="thumbnail" title="{address}">{frame}</span>'
_PICTURE = '<p class="picture">{frame}<span>Image, not loaded: {address}</span></p>'
_LINK = '<a href="{href}" target="_blank" rel="noopener noreferrer">{text}</a>'
_BUTTONS = '<ul class="buttons">{items}</ul>'
_BACKGROUND = '<p class="background">Nothing is shown. The app gets the data in the background.</p>'


def render_device(device: Device, shown: Shown, at: datetime) -> Html:
    card = Html(_BACKGROUND) if shown.is_background else _card(shown, at)
    return markup(_SCREEN, device=device, card=card, caption=CUTS[device], at=at.isoformat(), clock=f"{at:%H:%M}")


def link_to(address: str, text: str = "") -> Html:
    """A link without a referrer; plain text if it is no web address."""
    if not web_address(address):
        return markup("{text}", text=text or address)
    return markup(_LINK, href=address, text=text or address)


def _card(shown: Shown, at: datetime) -> Html:
    frame = Html(_FRAME)
    return markup(
        _CARD,
        icon=markup(_ICON, fill=markup(' fill="{color}"', color=shown.color) if shown.color else ""),
        badge="" if shown.badge is None else markup(_BADGE, number=f"{shown.badge:,}"),
        app=shown.app,
        mark=markup(_MARK, mark=shown.mark) if shown.mark else "",
        at=at.isoformat(),
        time=f"{at:%H:%M}",
        title=shown.title,
        subtitle=markup(_SUBTITLE, text=shown.subtitle) if shown.subtitle else "",
        body=shown.body,
        thumbnail=markup(_THUMBNAIL, address=shown.image, frame=frame) if shown.image else "",
        picture=markup(_PICTURE, address=link_to(shown.image), frame=frame) if shown.image else "",
        buttons=_buttons(shown.buttons),
    )


def _buttons(buttons: tuple[Button, ...]) -> Html:
    if not buttons:
        return Html("")
    return markup(_BUTTONS, items=joined(markup("<li>{text}</li>", text=_button(button)) for button in buttons))


def _button(button: Button) -> Html:
    return link_to(button.link, button.title or "(no title)")
