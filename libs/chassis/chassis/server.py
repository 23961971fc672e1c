"""Running a service as a process of its own: `python -m <service>` serves, `python -m <service> migrate` prepares."""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import structlog
import uvicorn
from fastapi import FastAPI

from chassis.logs import configure_logs
from chassis.one_write import OneWriteProtocol
from chassis.settings import ServiceSettings, load_settings
from chassis.tracing import Tracing, tracing_from_environment

log = structlog.get_logger()

NEW_OBJECTS = 20_000  # between two collections of the youngest

Settings = TypeVar("Settings", bound=ServiceSettings)
Settings_contra = TypeVar("Settings_contra", bound=ServiceSettings, contravariant=True)


class AppFactory(Protocol[Settings_contra]):
    """A service's `create_app`, as its entry point calls it."""

    def __call__(self, settings: Settings_contra, /, *, tracing: Tracing) -> FastAPI: ...


def serve(kind: type[Settings], create_app: AppFactory[Settings], service: str) -> None:
    """Serves until SIGTERM or SIGINT, then lets the requests in flight end and sends the last spans."""
    settings, tracing = load_settings(kind), tracing_from_environment(service)
    configure_logs(level=settings.log_level, form=settings.log_format, service=service, extra=tracing.log_processors)
    for variable in settings.weak_keys:
        log.warning("settings.weak_key", variable=variable, hint="production refuses it: `make env` writes random ones")
    config = uvicorn.Config(
        create_app(settings, tracing=tracing),
        host=settings.host,
        port=settings.port,
        forwarded_allow_ips=settings.forwarded_allow_ips,
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
        if not server.started:
            log.error("server.not_started", HOST=settings.host, PORT=settings.port, hint="a line above says why")
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
    """Brings the database to the newest revision in `folder`; ends the process with a clear line when it is down."""
    from alembic.util import CommandError  # noqa: PLC0415 - see chassis.migrating

    from chassis.migrating import migrate  # noqa: PLC0415

    try:
        asyncio.run(migrate(folder, url))
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
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
