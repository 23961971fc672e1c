"""The mail sink speaks SMTP as far as senders do, takes every message and knows it again."""

import asyncio

import pytest

from bench.sinks.replies import Delay
from bench.sinks.smtp import SmtpSession, message_key, unstuffed
from bench.sinks.tally import Tally, copies
from testkit.eventually import eventually
from tests.bench.transport import Transport

HEAD = b"Subject: Hi\r\nMessage-ID: <one@example.com>\r\n\r\n"
DIALOGUE = b"EHLO me\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n"


def session(delay: float = 0.0) -> tuple[SmtpSession, Transport, Tally]:
    tally, transport = Tally(), Transport()
    made = SmtpSession(tally, Delay(delay))
    made.connection_made(transport)
    return made, transport, tally


def keys(tally: Tally) -> list[str]:
    return [key for key, _ in tally.arrivals]


def test_a_message_is_taken_and_known_by_its_message_id() -> None:
    smtp, transport, tally = session()
    smtp.data_received(DIALOGUE)
    smtp.data_received(HEAD + b"text\r\n.\r\nQUIT\r\n")
    assert transport.codes == [220, 250, 250, 250, 354, 250, 221]
    assert keys(tally) == ["one"]
    assert transport.closed


def test_a_dialogue_in_single_bytes_is_the_same_dialogue() -> None:
    smtp, transport, tally = session()
    for byte in DIALOGUE + HEAD + b"text\r\n.\r\nRSET\r\n":
        smtp.data_received(bytes([byte]))
    assert transport.codes == [220, 250, 250, 250, 354, 250, 250]
    assert keys(tally) == ["one"]


def test_many_messages_on_one_connection_are_all_counted_however_they_are_cut() -> None:
    smtp, transport, tally = session()
    one = b"MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\nMessage-ID: <%d@x>\r\n\r\nhi\r\n.\r\n"
    stream = b"EHLO me\r\n" + b"".join(one % number for number in range(20))
    for start in range(0, len(stream), 37):
        smtp.data_received(stream[start : start + 37])
    assert keys(tally) == [str(number) for number in range(20)]
    assert transport.codes.count(354) == 20
    assert set(copies(tally.arrivals).values()) == {1}


def test_a_stuffed_dot_does_not_end_the_message() -> None:
    smtp, transport, tally = session()
    smtp.data_received(DIALOGUE + HEAD + b"..\r\n..more\r\n")
    assert tally.number == 0
    assert transport.codes[-1] == 354
    smtp.data_received(b".\r\n")
    assert keys(tally) == ["one"]


def test_a_dot_alone_after_data_is_an_empty_message() -> None:
    smtp, transport, tally = session()
    smtp.data_received(DIALOGUE + b".\r\nNOOP\r\n")
    assert keys(tally) == [""]
    assert transport.codes[-2:] == [250, 250]


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (b"a\r\n..\r\nb", b"a\r\n.\r\nb"),
        (b"..first", b".first"),
        (b"x\r\n...y\r\n", b"x\r\n..y\r\n"),
        (b"x\r\n.y", b"x\r\ny"),
        (b"a.b\r\nc..d", b"a.b\r\nc..d"),
    ],
)
def test_dots_that_were_added_are_taken_away_and_no_others(sent: bytes, meant: bytes) -> None:
    assert unstuffed(sent) == meant


def test_only_a_header_names_a_message() -> None:
    assert message_key(b"To: x\r\nmessage-id: <Abc-1@d>\r\n\r\nMessage-ID: <no@d>") == "Abc-1"
    assert message_key(b"To: x\r\n\r\nMessage-ID: <no@d>\r\n") == ""


def test_steps_out_of_turn_are_refused_and_take_nothing() -> None:
    smtp, transport, tally = session()
    smtp.data_received(b"EHLO me\r\nDATA\r\nRCPT TO:<a@b>\r\nMAIL FROM:<a@b>\r\nDATA\r\nMAIL FROM:<a@b>\r\nWHAT\r\n")
    assert transport.codes == [220, 250, 503, 503, 250, 503, 503, 500]
    assert tally.number == 0


def test_each_recipient_counts_once() -> None:
    smtp, _, tally = session()
    smtp.data_received(b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n" + HEAD + b".\r\n")
    assert keys(tally) == ["one", "one"]


async def test_a_slow_sink_keeps_each_reply_back_and_their_order() -> None:
    smtp, transport, _ = session(delay=0.03)
    loop = asyncio.get_running_loop()
    began = loop.time()
    smtp.data_received(b"EHLO me\r\nMAIL FROM:<a@b.c>\r\nNOOP\r\n")
    assert transport.written == b""
    await eventually(lambda: len(transport.codes) >= 4, 5)
    assert loop.time() - began >= 0.03
    assert transport.codes == [220, 250, 250, 250]
