"""Logs: one JSON object a line, ids bound, nothing secret."""

import io
import json
import logging

import structlog

from chassis.correlation import begin_story
from chassis.logs import configure_logs


class _Kept(io.BytesIO):
    def close(self) -> None:
        """Stays readable: logging closes its stream at exit."""


def test_a_line_is_one_object_with_the_storys_id_and_a_traceback_without_variables() -> None:
    before, handlers = structlog.get_config(), logging.getLogger().handlers[:]
    stream = _Kept()
    try:
        configure_logs(service="api-gateway", stream=stream)
        begin_story("story-1")
        try:
            password = "hunter2-very-secret"
            raise ValueError(len(password))  # noqa: TRY301
        except ValueError:
            structlog.get_logger().exception("thing.failed", number=1)
        logging.getLogger("uvicorn.error").warning("from the %s", "library")
    finally:
        structlog.configure(**before)
        logging.getLogger().handlers[:] = handlers
        begin_story("")
    ours, librarys = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (ours["event"], ours["service"], ours["correlation_id"]) == ("thing.failed", "api-gateway", "story-1")
    assert ours["exception"][0]["exc_type"] == "ValueError"
    assert "hunter2" not in stream.getvalue().decode()
    assert (librarys["event"], librarys["level"]) == ("from the library", "warning")
