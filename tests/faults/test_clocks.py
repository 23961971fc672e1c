"""A worker whose clock is off (fault 24): waits, leases and identities go by other clocks than its own."""

from pathlib import Path
from uuid import uuid4

import pytest

from testkit.servers.process import require
from tests.faults.lab import TEMPLATE, Lab


def shifted(seconds: int) -> dict[str, str]:
    """The environment of a process whose wall clock is off by so much."""
    require("faketime", "faketime")
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")))
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.parametrize("seconds", [600, -600])
def test_24_a_workers_clock_is_off_by_ten_minutes(lab: Lab, seconds: int) -> None:
    code = f"never-cached-{uuid4().hex[:8]}"  # so that the worker has to show who it is
    lab.system.call("POST", "/templates/", {**TEMPLATE, "code": code})
    lab.system.stop_service("email-service")
    lab.system.start_service("email-service", env=shifted(seconds))
    lab.system.wait_ready("email-service")
    lab.system.start_service("email-service", name="email-service-2")
    lab.system.wait_ready("email-service-2")
    slow = lab.batch(lab.user(f"stall-6+{uuid4().hex}@example.com"), 2, template_code=code)
    usual = lab.batch(lab.user(), 20, template_code=code)
    retried = lab.batch(lab.user(f"defer-2+{uuid4().hex}@example.com"), 3, template_code=code)
    lab.prove(24, f"a worker's clock {seconds:+d} s off", [*slow, *usual, *retried])
    assert {lab.detail(name)["attempts"] for name in retried} == {3}
    assert {lab.detail(name)["attempts"] for name in (*slow, *usual)} == {1}
