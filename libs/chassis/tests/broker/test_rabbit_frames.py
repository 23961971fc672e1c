"""The frames of a message, read back by the library that clients use."""

import struct

import pytest
from pamqp import body, commands, frame, header

from chassis.broker.interface import Publication
from chassis.broker.rabbit.confirms import PERSISTENT, Frames


def read(wire: bytes) -> list[object]:
    frames = []
    while wire:
        length, channel, one = frame.unmarshal(wire)
        assert channel == 7
        frames.append(one)
        wire = wire[length:]
    return frames


@pytest.mark.parametrize(
    ("correlation", "headers"),
    [("", {}), ("größer-1", {}), ("", {"traceparent": "00-1"}), ("s", {"b": "2", "a": "ü" * 300})],
)
def test_a_message_has_its_method_its_properties_and_its_body(correlation: str, headers: dict[str, str]) -> None:
    publication = Publication("email", b'{"a": 1}', "id-1", correlation_id=correlation, priority=9, headers=headers)
    method, head, content = read(Frames(7, "things", max_size=100).for_publication(publication))
    assert isinstance(method, commands.Basic.Publish)
    assert (method.exchange, method.routing_key, method.mandatory) == ("things", "email", True)
    assert isinstance(head, header.ContentHeader)
    properties = dict(head.properties)
    assert head.body_size == len(publication.body)
    assert {name: value for name, value in properties.items() if value} == {
        "content_type": "application/json",
        "delivery_mode": PERSISTENT,
        "priority": 9,
        "message_id": "id-1",
        **({"correlation_id": correlation} if correlation else {}),
        **({"headers": headers} if headers else {}),
    }
    assert isinstance(content, body.ContentBody)
    assert content.value == publication.body


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 1_000])
def test_a_body_is_split_where_a_frame_is_full(size: int) -> None:
    sent = bytes(index % 251 for index in range(size))
    _, head, *contents = read(Frames(7, "things", max_size=100).for_publication(Publication("email", sent, "id-1")))
    assert isinstance(head, header.ContentHeader)
    assert head.body_size == size
    assert all(isinstance(content, body.ContentBody) and len(content.value) <= 100 for content in contents)
    assert b"".join(content.value for content in contents if isinstance(content, body.ContentBody)) == sent


@pytest.mark.parametrize(
    "publication",
    [
        Publication("email", b"", "x" * 256),
        Publication("email", b"", "id-1", correlation_id="ü" * 128),
        Publication("email", b"", "id-1", priority=256),
        Publication("email", b"", "id-1", headers={"a": object()}),  # type: ignore[dict-item]
    ],
)
def test_what_the_protocol_cannot_carry_is_refused(publication: Publication) -> None:
    with pytest.raises((ValueError, TypeError, struct.error)):
        Frames(7, "things", max_size=100).for_publication(publication)
