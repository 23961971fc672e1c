"""What is stored as a Web Push endpoint is that for every reader of URLs, whatever was tried to make it look so."""

from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx2
import pytest
import yarl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.web_push import PUSH_HOSTS, PushServices, one_spelling

GOOD = ["https://", "", "fcm.googleapis.com", "", "/fcm/send/x"]
KNOWN = ["FCM.googleapis.com", "a.push.services.mozilla.com", "a.b.notify.windows.com", "web.push.apple.com"]
HOSTS = [
    "push.services.mozilla.com", "fcm.googleapis.com.", "fcm.googleapis.com.evil.example", "evil.example",
    "evilnotify.windows.com", "localhost", "127.0.0.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::1]",
    "[::ffff:127.0.0.1]", "[fe80::1%25eth0]", "fcm\uff0egoogleapis.com", "\uff46cm.googleapis.com",
    "fcm.googleapis.com%2eevil.example", "fcm.googleapis.com%00.evil.example", "*.notify.windows.com", ".notify.windows.com",
]  # fmt: skip
SCHEMES = ["HTTPS://", "https:/", "https:", "https:///", "https:\\\\", "http://", "//", ""]
USERS = ["a@", "a:b@", "fcm.googleapis.com@", "fcm.googleapis.com:443@", "%40@", "@"]
PORTS = [":443", ":", ":80", ":0443", ":4430", ":443443", ":-1", ":443@evil.example"]
ENDS = ["", "/", "?x", "#x", "/../..", "//evil.example", "/@evil.example", "\\@evil.example", "/\\x", "/?a#b"]
ODD = ["\t", "\n", "\r\n", "\0", " ", "\\", "\x7f", "\u2028", "\u200b", "é", "@", "#", "?", ":", ";", "/"]


@st.composite
def urls(draw: st.DrawFn) -> str:
    """A good one with something else in up to two places, and perhaps a character where none belongs."""
    parts = list(GOOD)
    for place in draw(st.lists(st.integers(0, 4), max_size=2)):
        parts[place] = draw(st.sampled_from((SCHEMES, USERS, KNOWN + HOSTS, PORTS, ENDS)[place]))
    url = "".join(parts)
    if draw(st.booleans()):
        at = draw(st.integers(0, len(url)))
        url = url[:at] + draw(st.sampled_from(ODD)) + url[at:]
    return url


@settings(max_examples=400)
@given(urls() | st.builds(lambda text: f"https://fcm.googleapis.com{text}", st.text(max_size=12)))
@example("https://fcm.googleapis.com:443/x")
@example("https://fcm.googleapis.com\\@evil.example/")
@example("https://evil.example#@fcm.googleapis.com/")
def test_an_accepted_endpoint_has_a_known_host_for_every_parser(url: str) -> None:
    if not PushServices().has(url):
        return
    parts, by_yarl, by_httpx = urlsplit(url), yarl.URL(url), httpx2.URL(url)
    readers = {
        "urllib": (parts.scheme, parts.hostname, parts.port or 443, parts.username),
        "yarl": (by_yarl.scheme, by_yarl.host, by_yarl.port, by_yarl.user),
        "httpx2": (by_httpx.scheme, by_httpx.host, by_httpx.port or 443, by_httpx.username or None),
    }
    assert set(readers.values()) == {("https", parts.hostname, 443, None)}, readers
    assert any(parts.hostname == host or parts.hostname.endswith(host.removeprefix("*")) for host in PUSH_HOSTS)
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url
    with pytest.raises(ValueError, match="does not appear to be"):
        ip_address(parts.hostname)
    assert urlsplit(one_spelling(url))[1:] == (parts.hostname, *parts[2:])
