"""What fits into CI of `make fuzz`: every service's document holds against inputs that nobody here made."""

from collections.abc import Iterator

import pytest

from tests.faults.lab import Lab, restarted_with
from tests.fuzzing.runs import LOGINS, Caller, callers, run

SAME_EVERY_TIME = ["--seed", "1", "--generation-deterministic"]


@pytest.fixture(scope="module")
def lab(started_lab: Lab) -> Iterator[Lab]:
    """What is tried on it leaves its users, templates and queues in any state: these tests are the last that use it."""
    with restarted_with(started_lab, "user-service", **LOGINS):
        yield started_lab


@pytest.fixture(scope="module")
def administrator(lab: Lab) -> Caller:
    return callers(lab)[0]


@pytest.mark.parametrize(
    ("service", "options"),
    [
        ("api-gateway", ["-n", "3"]),  # forwards to user-service and template-service: their operations are in it
        ("user-service", ["-n", "40", "--phases", "stateful"]),
        ("email-service", ["-n", "3"]),
        ("push-service", ["-n", "3"]),
    ],
)
def test_a_document_holds_for_its_administrator(
    lab: Lab, administrator: Caller, service: str, options: list[str]
) -> None:
    if failure := run(lab, service, administrator, [*SAME_EVERY_TIME, *options]):
        pytest.fail(failure)


def test_the_gateway_s_document_holds_for_a_key_that_may_hardly_anything(lab: Lab) -> None:
    if failure := run(lab, "api-gateway", callers(lab)[1], [*SAME_EVERY_TIME, "-n", "3", "--phases", "fuzzing"]):
        pytest.fail(failure)
