"""That no log line of any test holds a value is looked at after each of them; here, that the look sees one."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from testkit.servers.process import ServerProcess
from tests.leaks.values import SHAPES, shape_in
from tests.leaks.watch import WATCH, Leak

ROOT = Path(__file__).resolve().parents[1]
HELD = "somebody@example.com"

LEAKING = f"""
import structlog

def test_well_behaved():
    structlog.get_logger().info("user.signed_up", user_id="1")

def test_careless():
    structlog.get_logger().info("user.signed_up", user="{HELD}")
"""


def test_a_test_that_logs_a_value_fails_and_nobody_is_told_the_value(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(LEAKING)
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "tests.leaks.plugin", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "2 passed, 1 error" in done.stdout
    assert "ERROR at teardown of test_careless" in done.stdout
    assert "address in this process: user.signed_up (user)" in done.stdout
    assert HELD not in done.stdout.partition("Captured stdout")[0]


def test_what_is_logged_here_is_seen_as_production_would_write_it() -> None:
    structlog.get_logger().info("thing.done", who=HELD)
    logging.getLogger("a.library").info("to %s", HELD)
    with capture_logs():
        structlog.get_logger().info("thing.captured", who=HELD)
    try:
        int(HELD)
    except ValueError:
        structlog.get_logger().exception("thing.failed")
    assert WATCH.leaks() == [
        Leak("this process", "thing.done", "who", "address"),
        Leak("this process", "a message", "event", "address"),
        Leak("this process", "thing.captured", "who", "address"),
    ], "and an exception's words are written nowhere"


def test_what_another_process_writes_is_seen_also_after_its_file_is_gone(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    script = f'print(\'{{"event": "thing.done", "who": "{HELD}"}}\'); print("DETAIL:  Key (email)=(x) already exists.")'
    process = ServerProcess([sys.executable, "-c", script], log)
    process.process.wait(20)
    log.unlink()
    assert WATCH.leaks() == [
        Leak("service.log", "thing.done", "who", "address"),
        Leak("service.log", "a line", "text", "row"),
    ]


def test_what_was_sent_or_answered_under_a_personal_name_is_known() -> None:
    WATCH.learn(b'{"users": [{"name": "Grace Hopper", "email": ""}], "variables": {"a": [{"b": "of-a-variable"}]}}')
    WATCH.learn(b'{"push_token": "a-\\u00e9-device", "name": "Order shipped", "code": "order_shipped"}', b"no JSON")
    for said in ("Grace Hopper", "of-a-variable", "a-\u00e9-device", "Order shipped", "order_shipped"):
        structlog.get_logger().info("thing.done", said=said)
    assert WATCH.leaks() == [Leak("this process", "thing.done", "said", "learnt")] * 3
    structlog.get_logger().info("thing.done", said="Grace Hopper")
    assert WATCH.leaks() == [], "in one test what that test said"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("address", "to ada.b+c@mail.example.com, twice"),
        ("address", "/api/v1/users/x%40example.org"),
        ("address", "<ada@bücher.example>"),
        ("api_key", "nk_test_AbCdEfGh1234_" + "x" * 40),
        ("jwt", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.AbCd"),
        ("bearer", "Authorization: Bearer abcdefghijklmnop.qrst"),
        ("password_hash", "$argon2id$v=19$m=19456"),
        ("private_key", "-----BEGIN EC PRIVATE KEY-----"),
        ("credentials", "amqp://guest:guest@127.0.0.1:5672/"),
        ("row", "DETAIL:  Key (request_id)=(abc) already exists."),
        ("row", "DETAIL:  Failing row contains (1, abc)."),
        ("marked", "Hello Ada!"),
    ],
)  # fmt: skip
def test_a_value_is_known_by_its_shape(kind: str, text: str) -> None:
    assert shape_in(text) == kind


def test_every_shape_is_tried() -> None:
    tried = test_a_value_is_known_by_its_shape.pytestmark[0].args[1]
    assert {kind for kind, _ in tried} == set(SHAPES)


@pytest.mark.parametrize(
    "text",
    [
        "amqp://***@127.0.0.1:5672/",
        "node test-1@localhost, log/test-1@localhost.log, test-1@localhost_upgrade.log",
        "bearer tokens are missing",
        "nk_live_AbCdEfGh",
        "Adaptive",
    ],
)
def test_what_is_no_value_is_let_through(text: str) -> None:
    assert shape_in(text) is None
