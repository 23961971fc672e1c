"""Logs: one JSON object a line, ids bound, nothing secret."""

import contextlib
import io
import json
import logging
from collections.abc import Iterator

import structlog

from chassis.observability.correlation import bind_correlation
from chassis.observability.logs import configure_logs


class _Kept(io.BytesIO):
    def close(self) -> None:
        """Stays readable: logging closes its stream at exit."""


@contextlib.contextmanager
def _logged(form: str = "json") -> Iterator[_Kept]:
    before, handlers = structlog.get_config(), logging.getLogger().handlers[:]
    stream = _Kept()
    try:
        configure_logs(service="api-gateway", stream=stream, form=form)
        yield stream
    finally:
        structlog.configure(**before)
        logging.getLogger().handlers[:] = handlers


def _lines(stream: _Kept) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


SAID = "ada@example.com hunter2"


def _raise_in_many_ways() -> None:
    error = ValueError(SAID)
    error.add_note(SAID)
    try:
        try:
            raise error
        except ValueError as cause:
            raise ExceptionGroup(SAID, [KeyError(SAID), OSError(SAID)]) from cause
    except ExceptionGroup as group:
        raise RuntimeError(SAID) from group


def test_an_exceptions_words_are_in_no_line_and_its_type_and_place_are() -> None:
    with _logged() as stream:
        try:
            _raise_in_many_ways()
        except RuntimeError:
            structlog.get_logger().exception("thing.failed")
            logging.getLogger("uvicorn.error").exception("from a library")
            logging.getLogger("asyncio").exception("Task was destroyed\nfuture: <Task exception=%r>", SAID)
    lines = _lines(stream)
    assert [line["event"] for line in lines] == ["thing.failed", "from a library", "Task was destroyed"]
    for line in lines:
        assert SAID not in json.dumps(line)
        types = [stack["exc_type"] for stack in line["exception"]]
        assert types == ["RuntimeError", "ExceptionGroup", "ValueError"]
        assert [inner[0]["exc_type"] for inner in line["exception"][1]["exceptions"]] == ["KeyError", "OSError"]
        assert line["exception"][0]["frames"][-1]["name"] == "_raise_in_many_ways"


def test_nor_in_what_is_written_for_people() -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), _logged("console") as stream:
        try:
            _raise_in_many_ways()
        except RuntimeError:
            structlog.get_logger().exception("thing.failed")
            logging.getLogger("uvicorn.error").exception("from a library")
    for said in (printed.getvalue(), stream.getvalue().decode()):
        assert all(one in said for one in ("RuntimeError\n", "ValueError\n", "  KeyError\n", "in _raise_in_many_ways"))
        assert SAID not in said


def test_defects_of_our_code_are_logged_in_full() -> None:
    with _logged() as stream:
        try:
            _ = object().no_such_thing
        except AttributeError:
            structlog.get_logger().exception("thing.failed")
    assert "no_such_thing" in _lines(stream)[0]["exception"][0]["exc_value"]


def test_a_line_is_one_object_with_the_storys_id_and_a_traceback_without_variables() -> None:
    with _logged() as stream:
        bind_correlation("correlation-1")
        try:
            password = "hunter2-very-secret"
            raise ValueError(len(password))  # noqa: TRY301
        except ValueError:
            structlog.get_logger().exception("thing.failed", number=1)
        logging.getLogger("uvicorn.error").warning("from the %s", "library")
        bind_correlation("")
    ours, librarys = _lines(stream)
    assert (ours["event"], ours["service"], ours["correlation_id"]) == ("thing.failed", "api-gateway", "correlation-1")
    assert ours["exception"][0]["exc_type"] == "ValueError"
    assert "hunter2" not in stream.getvalue().decode()
    assert (librarys["event"], librarys["level"]) == ("from the library", "warning")
