"""The generator sends what the plan says, once each, and reports what was answered."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import uvloop

from bench.load.__main__ import report_of
from bench.load.bodies import requests
from bench.load.loops import Posting
from bench.load.plan import Plan
from bench.load.wire import take_answer
from bench.load.wrk import parse
from bench.sinks.fcm import take_request
from testkit.eventually import time_passes

PLAN = Plan(port=1, key="k", users=["u0", "u1"], prefix="p", count=5)


def bodies(plan: Plan) -> list[dict[str, object]]:
    received = bytearray(b"".join(requests(plan)))
    found = []
    while (one := take_request(received)) is not None:
        found.append(json.loads(one.body))
    assert not received
    return found


def test_every_item_has_its_own_request_id_and_users_take_turns() -> None:
    sent = bodies(PLAN)
    assert [one["request_id"] for one in sent] == [f"p-{number}" for number in range(5)]
    assert [one["user_id"] for one in sent] == ["u0", "u1", "u0", "u1", "u0"]


def test_priorities_take_turns_within_a_batch_as_well() -> None:
    sent = bodies(replace(PLAN, priorities=[1, 2, 3], size=5))
    assert [one["priority"] for one in sent[0]["notifications"]] == [1, 2, 3, 1, 2]  # type: ignore[index, attr-defined]


def test_a_batch_holds_as_many_as_the_plan_says_and_the_last_one_the_rest() -> None:
    sent = bodies(replace(PLAN, size=2))
    assert [len(one["notifications"]) for one in sent] == [2, 2, 1]  # type: ignore[arg-type]


def test_an_answer_is_taken_when_it_is_whole_and_not_before() -> None:
    whole = b"HTTP/1.1 202 Accepted\r\ncontent-length: 4\r\n\r\nbody"
    received = bytearray(whole[:-1])
    assert take_answer(received) is None
    received += whole[-1:] + b"HTTP"
    assert take_answer(received) == (202, b"body")
    assert received == b"HTTP"


class Server:
    """Answers each request with a number; `breaks` of them by hanging up."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.breaks: set[int] = set()
        self.stalls: dict[int, float] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                number = len(self.seen)
                self.seen.append(line)
                await time_passes(self.stalls.get(number, 0))
                if number in self.breaks:
                    break
                writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok")
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, int]]:
    made = Server()
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    async with listener:
        yield made, listener.sockets[0].getsockname()[1]


def lines(count: int) -> list[bytes]:
    return [b"%d\n" % number for number in range(count)]


async def test_a_closed_loop_sends_each_request_once(server: tuple[Server, int]) -> None:
    made, port = server
    posting = Posting(port, lines(50))
    async with asyncio.timeout(10):
        await posting.closed(4)
    assert sorted(made.seen) == sorted(lines(50))
    assert [status for _, _, status, _ in posting.answers] == [202] * 50


def test_a_closed_loop_runs_on_the_loop_that_the_generator_has() -> None:
    async def post() -> int:
        made = Server()
        async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as listener:
            posting = Posting(listener.sockets[0].getsockname()[1], lines(10))
            async with asyncio.timeout(10):
                await posting.closed(2)
        return len(made.seen)

    assert uvloop.run(post()) == 10


async def test_a_broken_connection_is_an_answer_without_status_and_the_rest_goes_on(server: tuple[Server, int]) -> None:
    made, port = server
    made.breaks = {3}
    posting = Posting(port, lines(20))
    async with asyncio.timeout(10):
        await posting.closed(1)
    assert sorted(status for _, _, status, _ in posting.answers) == [0] + [202] * 19


async def test_an_open_loop_counts_from_when_a_request_was_due_though_the_server_stalls(
    server: tuple[Server, int],
) -> None:
    made, port = server
    made.stalls = {5: 0.2}
    posting = Posting(port, lines(40))
    async with asyncio.timeout(10):
        await posting.at_rate(400)
    dues = [due - posting.started for due, *_ in sorted(posting.answers)]
    assert dues == pytest.approx([number / 400 for number in range(40)], abs=1e-6)
    late = [answered - due for due, answered, _, _ in posting.answers]
    assert max(late) >= 0.2
    assert sum(seconds >= 0.2 for seconds in late) == 1  # the others had connections of their own


def test_a_report_tells_the_accepted_from_the_refused_of_both_kinds_of_request() -> None:
    single = json.dumps({"data": {"notification_id": "a"}}).encode()
    items = [{"data": {"notification_id": "b"}}, {"data": None, "error": "user_not_found"}]
    batch = json.dumps({"data": {"results": items}}).encode()
    report = report_of(1.0, [(1.0, 2.0, 202, single), (1.5, 4.0, 202, batch), (2.0, 3.0, 503, b"away")])
    assert report.accepted == [("a", 1.0, 2.0), ("b", 1.5, 4.0)]
    assert (report.refused, report.ended) == (2, 4.0)
    assert "user_not_found" in report.first_refusal


WRK = 'Running\nRESULT {"requests":100,"microseconds":500000,"refused":%d,"broken":0,"p50":1,"p95":2,"p99":3,"max":4}\n'


def test_what_wrk_counted_is_a_rate_and_a_refusal_is_an_error() -> None:
    assert parse(WRK % 0, 0.1).rate == 200
    with pytest.raises(RuntimeError, match="refused"):
        parse(WRK % 1, 0.1)
    with pytest.raises(RuntimeError, match="nothing"):
        parse("Running 1s test\n", 0.1)
