"""Structured logs: one JSON object per line on standard output, with ids from context, also for standard-library logs."""

import io
import logging
import sys
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from chassis.observability.correlation import add_ids

SHARED: tuple[Processor, ...] = (
    add_ids,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)

# Without the frames' variables, which structlog writes by default: they may contain a password.
TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
# Exceptions whose messages name only types and attributes of the code. Other messages may quote user data: PostgreSQL's
# DETAIL quotes a row, pydantic a body, a mail server an address.
WORDS_OF_CODE = frozenset({"AttributeError", "ImportError", "ModuleNotFoundError", "NameError", "NotImplementedError"})


def configure_logs(
    *,
    level: str = "INFO",
    form: Literal["json", "console"] = "json",
    service: str = "",
    stream: BinaryIO | None = None,
    extra: Sequence[Processor] = (),
) -> None:
    """Call it once per process, from its entry point. In "json" every line is an object: timestamp, level, event, service.

    `extra` processors add fields to every line.
    """
    output = stream or sys.stdout.buffer
    shared = [*SHARED, *extra, _named(service)]
    structlog.configure(
        processors=[*shared, *_renderers(form)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.BytesLoggerFactory(output) if form == "json" else None,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(io.TextIOWrapper(stream, line_buffering=True) if stream else sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(form, text=True)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("uvicorn.access", "httpx2", "httpcore2", "mail.log"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # Both log lost connections with tracebacks and addresses. Our own `broker.*` events report the same without secrets.
    for unredacted in ("aiormq", "aio_pika"):
        logging.getLogger(unredacted).setLevel(logging.CRITICAL)


def _named(service: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if service:
            event.setdefault("service", service)
        return event

    return add


def _renderers(form: Literal["json", "console"], *, text: bool = False) -> list[Processor]:
    if form == "console":
        return [TRACEBACKS, _without_values, _drawn, structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]
    renderer = structlog.processors.JSONRenderer(serializer=_text if text else orjson.dumps)
    return [TRACEBACKS, _without_values, renderer]


def _without_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keeps an exception's type and location, but not its message. Does the same for asyncio's own events."""
    if isinstance(event.get("exception"), list):
        event["exception"] = [_without_message(stack) for stack in event["exception"]]
    if "exception" in event and isinstance(event.get("event"), str):
        event["event"] = event["event"].partition("\n")[0]
    return event


def _without_message(stack: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in stack.items() if name not in {"exc_value", "exc_notes", "syntax_error"}}
    if stack["exc_type"] in WORDS_OF_CODE:
        kept["exc_value"] = stack["exc_value"]
    return {**kept, "exceptions": [[_without_message(one) for one in inner] for inner in stack.get("exceptions", [])]}


def _drawn(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Draws exceptions for people, the last call first."""
    if isinstance(event.get("exception"), list):
        event["exception"] = "\n".join(line for stack in event["exception"] for line in _lines(stack))
    return event


def _lines(stack: dict[str, Any]) -> Iterator[str]:
    yield f"{stack['exc_type']} {stack.get('exc_value', '')}".strip()
    yield from (f"  {frame['filename']}:{frame['lineno']} in {frame['name']}" for frame in reversed(stack["frames"]))
    yield from (f"  {line}" for inner in stack["exceptions"] for one in inner for line in _lines(one))


def _text(event: object, **options: Any) -> str:
    return orjson.dumps(event, **options).decode()
