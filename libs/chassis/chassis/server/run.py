"""Runs a service as its own process: `python -m <service>` serves, `python -m <service> migrate` migrates its database."""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import structlog
import uvicorn
from fastapi import FastAPI

from chassis.http.bounded import Bounds, bounded
from chassis.observability.logs import configure_logs
from chassis.observability.tracing import Tracing, tracing_from_environment
from chassis.server.commands import plain_end
from chassis.server.processes import NOT_STARTED, Membership, listen, run_processes
from chassis.server.reencrypting import PersonalTable, reencrypt_database
from chassis.server.stopping import AnnouncingServer
from chassis.settings import DatabaseSettings, DataKeySettings, ServiceSettings, load_settings

log = structlog.get_logger()

NEW_OBJECTS = 200_000  # new objects between two collections; 20,000 caused pauses of 20 to 70 ms under load

Settings = TypeVar("Settings", bound=ServiceSettings)
StoringSettings = TypeVar("StoringSettings", bound=DatabaseSettings)
Settings_contra = TypeVar("Settings_contra", bound=ServiceSettings, contravariant=True)


class AppFactory(Protocol[Settings_contra]):
    """The type of a service's `create_app`, as the entry point calls it."""

    def __call__(self, settings: Settings_contra, /, *, tracing: Tracing) -> FastAPI: ...


def serve(kind: type[Settings], create_app: AppFactory[Settings], service: str) -> None:
    """Serves until SIGTERM or SIGINT. Then finishes the requests in flight and sends the last spans."""
    settings = load_settings(kind)
    if settings.processes == 1:
        status = _serve(settings, create_app, service)
    else:
        status = _serve_in_processes(settings, create_app, service)
    if status:
        raise SystemExit(status)


def _serve_in_processes(settings: Settings, create_app: AppFactory[Settings], service: str) -> int:
    """Creates the app in each process: threads and loops that it starts would not survive a fork."""
    configure_logs(level=settings.log_level, form=settings.log_format, service=service)
    try:
        listeners = listen(settings.host, settings.port, settings.processes)
    except OSError as error:
        log.error("server.not_started", HOST=settings.host, PORT=settings.port, hint=str(error))  # noqa: TRY400 - one line
        return NOT_STARTED
    log.info("server.listening", port=listeners[0][0].getsockname()[1], processes=settings.processes)
    _leave_start_up_alone()
    return run_processes(listeners, lambda membership: _serve(settings, create_app, service, membership))


def _serve(
    settings: Settings, create_app: AppFactory[Settings], service: str, membership: Membership | None = None
) -> int:
    """Serves in this process, alone or as one of several. Returns the exit status."""
    tracing = tracing_from_environment(service)
    configure_logs(level=settings.log_level, form=settings.log_format, service=service, extra=tracing.log_processors)
    if membership is None or membership.first:
        _warn(settings)
    app = create_app(settings, tracing=tracing)
    if membership is not None:
        app.state.metrics = membership.metrics.registry()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        log_config=None,
        access_log=False,
        http=bounded(
            Bounds(
                rest_bytes=max(Bounds().rest_bytes, settings.max_body_bytes),
                of_one_address=settings.max_connections_per_address,
                trusted=settings.proxies,
            )
        ),
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=20,
    )
    server = _Server(config, membership)
    _leave_start_up_alone()
    try:
        server.run(None if membership is None else membership.listeners)
    finally:
        if not server.started:
            log.error("server.not_started", HOST=settings.host, PORT=settings.port, hint="a line above says why")
        tracing.flush()
    return 0 if server.started else NOT_STARTED


def _warn(settings: ServiceSettings) -> None:
    for variable in settings.weak_keys:
        log.warning("settings.weak_key", variable=variable, hint="production refuses it: `make env` writes random ones")
    if settings.processes != settings.web_concurrency:
        log.warning(
            "settings.ignored", variable="WEB_CONCURRENCY", hint="a worker is one process: start more of them instead"
        )


def _leave_start_up_alone() -> None:
    """Excludes all existing objects from garbage collection, which took a tenth of the time under load.

    Collections also run less often, because almost no objects here are in cycles. Nothing is collected first: that would
    take 0.15 s of the start and free less than 1 MB.
    """
    gc.freeze()
    gc.enable()  # the entry points turn it off before their imports
    gc.set_threshold(NEW_OBJECTS, 20, 20)


class _Server(AnnouncingServer):
    """Exits with status 0 after SIGTERM or SIGINT. uvicorn itself raises the signal again after its shutdown.

    As one of several processes it reports to its parent when it serves, and stops when the parent is gone.
    """

    def __init__(self, config: uvicorn.Config, membership: Membership | None) -> None:
        super().__init__(config)
        self._membership = membership

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._membership is not None:
            asyncio.get_running_loop().add_reader(self._membership.orphaned, self._stop)
            self._membership.started()

    def _stop(self) -> None:
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def migrate_database(url: str, folder: Path) -> None:
    """Migrates the database to the newest revision in `folder`. If it is down, ends the process with a clear line."""
    from alembic.util import CommandError  # noqa: PLC0415 - see chassis.migrating

    from chassis.postgres.migrations import migrate  # noqa: PLC0415

    gc.enable()
    with plain_end(CommandError):
        asyncio.run(migrate(folder, url))
    sys.stdout.write("The database is at the newest revision.\n")


def run_service(
    arguments: Sequence[str],
    kind: type[StoringSettings],
    create_app: AppFactory[StoringSettings],
    *,
    service: str,
    migrations: Path,
    personal: Sequence[PersonalTable] = (),
) -> None:
    """`python -m <service>` serves. With the argument `migrate` it brings the database to its newest revision.

    `personal` lists the tables with encrypted values that `reencrypt` processes.
    """
    match list(arguments):
        case []:
            serve(kind, create_app, service)
        case ["migrate"]:
            migrate_database(load_settings(kind).database_url, migrations)
        case ["reencrypt"] if personal and isinstance(settings := load_settings(kind), DataKeySettings):
            reencrypt_database(settings, personal)
        case _:
            commands = "migrate | reencrypt" if personal else "migrate"
            raise SystemExit(f"usage: python -m {service.replace('-', '_')} [{commands}]")
