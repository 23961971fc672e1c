"""What another service's answer means to us."""

import pytest
from pydantic import TypeAdapter

from chassis.envelope import Envelope
from chassis.http_client import DependencyUnavailable, data_of

NUMBER = TypeAdapter(Envelope[int])


def test_an_answer_is_its_data_and_a_404_is_none() -> None:
    assert data_of(NUMBER, 200, b'{"data": 7}') == 7
    assert data_of(NUMBER, 404, b"whatever") is None


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, b"{}"), (200, b"not json"), (200, b'{"data": "x"}'), (200, b'{"data": null}'), (302, b"")],
)
def test_anything_else_is_not_the_callers_fault(status: int, body: bytes) -> None:
    with pytest.raises(DependencyUnavailable):
        data_of(NUMBER, status, body)
