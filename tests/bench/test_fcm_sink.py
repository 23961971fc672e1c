"""The push sink answers as FCM's two addresses do, over kept connections."""

import json

import pytest

from bench.load.wire import take_answer
from bench.sinks.fcm import ACCESS, FcmSession, take_request
from bench.sinks.replies import Delay
from bench.sinks.tally import Tally
from tests.bench.transport import Transport

SEND = "/v1/projects/sink/messages:send"


def request(path: str, body: bytes, *, access: str = ACCESS.decode()) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {access}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def message(key: str) -> bytes:
    return json.dumps({"message": {"token": "t", "data": {"notification_id": key}}}).encode()


def talk(*pieces: bytes) -> tuple[list[tuple[int, bytes]], Tally]:
    tally, transport = Tally(), Transport()
    session = FcmSession(tally, Delay())
    session.connection_made(transport)
    for piece in pieces:
        session.data_received(piece)
    received, answers = bytearray(transport.written), []
    while (found := take_answer(received)) is not None:
        answers.append(found)
    assert not received
    return answers, tally


def test_the_token_endpoint_grants_what_messages_send_takes() -> None:
    ((status, grant),), _ = talk(request("/token", b"grant_type=x"))
    assert status == 200
    ((status, taken),), tally = talk(request(SEND, message("n-1"), access=json.loads(grant)["access_token"]))
    assert status == 200
    assert json.loads(taken)["name"] == "projects/sink/messages/1"
    assert [key for key, _ in tally.arrivals] == ["n-1"]


def test_a_request_may_come_in_single_bytes_and_several_in_one_piece() -> None:
    stream = b"".join(request(SEND, message(f"n-{number}")) for number in range(3))
    for pieces in ([stream], [bytes([byte]) for byte in stream]):
        answers, tally = talk(*pieces)
        assert [status for status, _ in answers] == [200] * 3
        assert [key for key, _ in tally.arrivals] == ["n-0", "n-1", "n-2"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(SEND, message("n"), access="other"), 401),
        (request("/elsewhere", message("n")), 404),
        (request(SEND, b'{"message":{}}'), 400),
    ],
)
def test_what_is_not_a_good_message_is_refused_and_not_counted(sent: bytes, status: int) -> None:
    answers, tally = talk(sent)
    assert [got for got, _ in answers] == [status]
    assert tally.number == 0


def test_a_request_that_is_not_whole_is_left_alone() -> None:
    whole = request(SEND, message("n"))
    received = bytearray(whole[:-1])
    assert take_request(received) is None
    assert bytes(received) == whole[:-1]
