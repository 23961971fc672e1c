"""`python -m bench.load PLAN REPORT`: executes the plan in one JSON file and writes its report into another."""

import asyncio
import gc
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvloop

from bench.load.bodies import requests
from bench.load.loops import Answer, Posting
from bench.load.plan import LoadReport, Plan


async def carry_out(plan: Plan) -> LoadReport:
    posting = Posting(plan.port, list(requests(plan)))
    gc.disable()  # a collection pauses the generator, which would look like a pause of the server
    try:
        async with asyncio.timeout(900):
            await (posting.at_rate(plan.rate) if plan.rate else posting.closed(plan.connections))
    finally:
        gc.enable()
    return report_of(posting.started, posting.answers)


def report_of(started: float, answers: Sequence[Answer]) -> LoadReport:
    accepted, refusals = [], []
    for due, answered, status, body in answers:
        for key, refusal in _items(status, body):
            if key is None:
                refusals.append(refusal)
            else:
                accepted.append((key, due, answered))
    ended = max(answered for _, answered, _, _ in answers)
    return LoadReport(started, ended, len(refusals), refusals[0] if refusals else "", accepted)


def _items(status: int, body: bytes) -> Iterator[tuple[str | None, str]]:
    """(notification id, "") of each accepted item, (None, reason) of each refused one; for both kinds of requests."""
    if status != 202:
        yield None, f"{status} {body[:300]!r}"
        return
    data = json.loads(body)["data"]
    for item in data.get("results", [{"data": data}]):
        key = (item["data"] or {}).get("notification_id")
        yield (key, "") if key else (None, json.dumps(item)[:300])


if __name__ == "__main__":
    plan = Plan(**json.loads(Path(sys.argv[1]).read_text()))
    uvloop.run(carry_out(plan)).write(Path(sys.argv[2]))
