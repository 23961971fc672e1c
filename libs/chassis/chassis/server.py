"""Running a service as a process of its own: `python -m <service>` serves, `python -m <service> migrate` prepares."""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from chassis.errors import ServiceError
from chassis.logs import configure_logs
from chassis.one_write import OneWriteProtocol
from chassis.settings import ServiceSettings
from chassis.sqlstates import is_away
from chassis.tracing import Tracing, tracing_from_environment

NEW_OBJECTS = 20_000  # between two collections of the youngest

Settings = TypeVar("Settings", bound=ServiceSettings)
Settings_contra = TypeVar("Settings_contra", bound=ServiceSettings, contravariant=True)


class AppFactory(Protocol[Settings_contra]):
    """A service's `create_app`, as its entry point calls it."""

    def __call__(self, settings: Settings_contra, /, *, tracing: Tracing) -> FastAPI: ...


def load_settings(kind: type[Settings]) -> Settings:
    """The settings from the environment; ends the process with status 2 and one clear line a problem, values unsaid."""
    try:
        return kind()
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = ".".join(str(step) for step in problem["loc"]).upper() or "settings"
            sys.stderr.write(f"{kind.__name__}: {name}: {problem['msg']}\n")
        raise SystemExit(2) from None


def serve(kind: type[Settings], create_app: AppFactory[Settings], service: str) -> None:
    """Serves until SIGTERM or SIGINT, then lets the requests in flight end and sends the last spans."""
    settings, tracing = load_settings(kind), tracing_from_environment(service)
    configure_logs(level=settings.log_level, form=settings.log_format, service=service, extra=tracing.log_processors)
    config = uvicorn.Config(
        create_app(settings, tracing=tracing),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        http=OneWriteProtocol,
        server_header=False,
        timeout_graceful_shutdown=20,
    )
    server = _Server(config)
    _leave_start_up_alone()
    try:
        server.run()
    finally:
        tracing.flush()
    if not server.started:
        raise SystemExit(3)


def _leave_start_up_alone() -> None:
    """What was made until now stays, so the collector need not walk it again and again (a tenth of the time under load).

    It comes more seldom, too: hardly anything here is in cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 20, 20)


class _Server(uvicorn.Server):
    """Ends with status 0 when it was told to stop: uvicorn's own raises the signal again once it has shut down."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def migrate_database(url: str, folder: Path) -> None:
    """Brings the database to the newest revision in `folder`; ends the process with a clear line when it is away."""
    from chassis.migrating import migrate  # noqa: PLC0415 - see there

    try:
        asyncio.run(migrate(folder, url))
    except Exception as error:
        if not isinstance(error, OSError | ServiceError) and not is_away(error):
            raise
        sys.stderr.write(f"The database that DATABASE_URL names cannot be reached: {error}\n")
        raise SystemExit(1) from None
    sys.stdout.write("The database is at the newest revision.\n")


def run_service(
    arguments: Sequence[str],
    kind: type[Settings],
    create_app: AppFactory[Settings],
    *,
    service: str,
    migrations: Path,
) -> None:
    """`python -m <service>`: serves; with the argument `migrate`, brings the database to its newest revision."""
    match list(arguments):
        case []:
            serve(kind, create_app, service)
        case ["migrate"]:
            migrate_database(load_settings(kind).database_url, migrations)
        case _:
            raise SystemExit(f"usage: python -m {service.replace('-', '_')} [migrate]")
