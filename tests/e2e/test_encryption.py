"""The whole system with DATA_ENCRYPTION_KEYS: nothing personal in a dump, and keys that come, change and go while it runs."""

import asyncio
import base64
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest

from testkit.dumping import dump
from tests.faults.lab import Lab, restarted_with

KEEPERS = ("api-gateway", "email-service", "push-service")
OLD, NEW = (f"{name}:{base64.b64encode(os.urandom(32)).decode()}" for name in ("old", "new"))
NUMBER = 40


@pytest.fixture
def lab(started_lab: Lab) -> Iterator[Lab]:
    yield started_lab
    started_lab.heal()


def _dumped(lab: Lab) -> str:
    return "\n".join(asyncio.run(dump(lab.system.databases[service])) for service in KEEPERS)


def _restart(lab: Lab, keys: str) -> None:
    """One after the other, as a rolling deployment does."""
    for service in KEEPERS:
        lab.system.stop_service(service)
        lab.system.start_service(service, env={"DATA_ENCRYPTION_KEYS": keys})
        lab.system.wait_ready(service)


def _reencrypt(lab: Lab, keys: str) -> None:
    for service in KEEPERS:
        lab.system.run_command(service, "reencrypt", env={"DATA_ENCRYPTION_KEYS": keys})


def _send(lab: Lab, secret: str, behaviour: str) -> list[str]:
    user = lab.user(email=f"{behaviour}+{secret}@example.com", push_token=f"device-{secret}-{uuid4().hex}")
    personal = {"variables": {"name": secret, "link": f"https://example.com/{secret}"}, "metadata": {"order": secret}}
    return [lab.system.send(channel, user, **personal) for channel in ("email", "push")]


def test_nothing_personal_is_in_a_dump_while_keys_come_change_and_go(lab: Lab) -> None:
    secret = f"geheim-{uuid4().hex}"
    before = lab.batch(lab.user(), NUMBER)
    with ExitStack() as stack:
        for service in KEEPERS:
            stack.enter_context(restarted_with(lab, service, DATA_ENCRYPTION_KEYS=f"plain,{OLD}"))
        _restart(lab, OLD)
        bounced, waiting = _send(lab, secret, "bounce"), _send(lab, secret, "defer-2")
        deadline = time.monotonic() + 60
        while set(lab.statuses([*bounced, *waiting]).values()) - {"sent", "failed"}:
            assert time.monotonic() < deadline
            assert secret not in _dumped(lab)
        assert lab.detail(bounced[0])["status"] == "failed"
        assert lab.detail(bounced[0])["metadata"] == {"order": secret}
        lab.system.call("POST", f"/notifications/{bounced[0]}/retry", status=202)
        lab.system.follow(bounced[0])
        assert secret not in _dumped(lab)

        deferred = lab.user(email=f"defer-2+late.{secret}@example.com")
        flying = lab.batch(deferred, NUMBER, variables={"name": secret, "link": "https://example.com/x"})
        _restart(lab, f"{OLD},{NEW}")
        _restart(lab, f"{NEW},{OLD}")
        flying += lab.batch(lab.user(), NUMBER)
        _reencrypt(lab, f"{NEW},{OLD}")
        assert "enc1:old:" not in _dumped(lab)
        _restart(lab, NEW)
        lab.until_ended([*before, *flying])
        assert set(lab.statuses([*before, *flying]).values()) == {"sent"}
        arrived = Counter(lab.system.arrivals("email"))
        assert {arrived[name] for name in [*before, *flying]} == {1}
        assert secret not in _dumped(lab)
        _reencrypt(lab, f"plain,{NEW}")
        assert "enc1:" not in _dumped(lab)
    assert lab.detail(bounced[0])["metadata"] == {"order": secret}
    assert lab.system.call("GET", "/reconcile")["unaccounted"] == 0
