"""Runs a service's migrations. A module of its own: a service that serves has no use for Alembic and its 0.3 s of imports."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config


def alembic_config(folder: Path, url: str) -> Config:
    """The configuration of the migrations in `folder` (a service's `alembic/`), for the database at `url`."""
    config = Config()
    for name, value in {"script_location": str(folder), "sqlalchemy.url": url}.items():
        config.set_main_option(name, value.replace("%", "%%"))  # Alembic interpolates
    return config


async def migrate(folder: Path, url: str, revision: str = "head") -> None:
    """Brings the database at `url` to `revision` ("base" takes everything away)."""
    config = alembic_config(folder, url)
    move = command.downgrade if revision == "base" else command.upgrade
    await asyncio.to_thread(move, config, revision)
