import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devstack.simulators.messages import ReceivedEmail, ReceivedPush

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MULTIPART = (
    b"From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\r\n"
    b"To: b@example.com\r\n"
    b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n =?utf-8?q?_aus_K=C3=B6ln?=\r\n"
    b"message-id: <1@example.com>\r\n"
    b"Content-Type: multipart/alternative; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: text/plain; charset=latin-1\r\nContent-Transfer-Encoding: base64\r\n\r\nR3L832U=\r\n"
    b"--x\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"<p class=3D'a'>Gr=C3=BC=C3=9Fe</p>\r\n--x--\r\n"
)


def email(raw: bytes) -> ReceivedEmail:
    return ReceivedEmail(1, NOW, "a@example.com", "b@example.com", raw)


def test_headers_and_parts_are_decoded():
    read = email(MULTIPART)
    assert (read.subject, read.from_header, read.to_header) == (
        "Grüße aus Köln",
        "Jürgen <j@example.com>",
        "b@example.com",
    )
    assert read.message_id == "<1@example.com>"
    assert (read.text.strip(), read.html.strip()) == ("Grüße", "<p class='a'>Grüße</p>")
    assert ("Content-Type", "multipart/alternative; boundary=x") in read.headers


def test_raw_utf8_headers_are_read_as_utf8():
    assert email("Subject: Grüße\r\n\r\n".encode()).subject == "Grüße"


def test_a_message_id_in_the_body_is_not_the_message_id():
    assert email(b"Subject: x\r\n\r\nMessage-ID: <fake@example.com>\r\n").message_id == ""


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Subject: =?nonsense?q?x?=\r\n\r\n",
        b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xff",
        b"Content-Type: text/html; charset=\x00\r\n\r\nx",
        b"Content-Type: text/html; charset=idna\r\n\r\nxn--\xff",
        b"Content-Type: multipart/alternative\r\n\r\nno boundary",
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!",
    ],
)
def test_broken_messages_can_still_be_read(raw):
    look_at(email(raw))


@given(st.binary(max_size=400))
def test_no_bytes_make_reading_fail(noise):
    look_at(email(noise))
    look_at(email(b"Subject: " + noise + b"\r\nContent-Type: text/html; charset=" + noise[:20] + b"\r\n\r\n" + noise))


def look_at(read: ReceivedEmail) -> None:
    for seen in (read.subject, read.from_header, read.html, read.text, read.source, read.message_id):
        seen.encode()  # lone surrogates would break the page
    for name, value in read.headers:
        f"{name}{value}".encode()


def test_a_push_shows_its_parts():
    message = {
        "token": "t",
        "notification": {"title": "T", "body": "B", "image": "https://example.com/i.png"},
        "data": {"notification_id": "n1", "link": "https://example.com/data"},
        "webpush": {"fcm_options": {"link": "https://example.com/web"}},
    }
    push = ReceivedPush(1, NOW, "t", json.dumps(message), "c", "r")
    assert (push.title, push.body, push.image) == ("T", "B", "https://example.com/i.png")
    assert (push.link, push.key) == ("https://example.com/web", "n1")


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        ("fcm", {"apns": {"payload": {"aps": {"badge": 0}}}, "android": {"notification": {"notification_count": 0}}}),
        ("apns", {"headers": {}, "message": {"aps": {"badge": 0}}}),
        ("web_push", {"headers": {}, "message": {"app_badge": 0}}),
    ],
)
def test_a_badge_is_found_at_every_provider(provider, message):
    assert ReceivedPush(1, NOW, "t", json.dumps(message), provider=provider).badge == 0


def test_a_push_without_parts_is_empty_not_broken():
    push = ReceivedPush(1, NOW, "t", '{"token": "t", "webpush": [1]}', "c", "r")
    assert (push.title, push.link, push.data, push.key, push.badge) == ("", "", {}, "r", None)
