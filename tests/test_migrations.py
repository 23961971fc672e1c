"""Every service's migrations: up, down and up again, in agreement with the models, alone and all in one database."""

import asyncio
import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from alembic import command

from chassis.postgres.migrations import alembic_config, migrate
from devstack.migrations import disagreement
from devstack.plan import SERVICES
from devstack.stack import ROOT


async def _tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return {
            row["tablename"]
            for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        }
    finally:
        await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_migrations_go_up_down_and_up_and_agree_with_the_models(databases, service: str) -> None:
    url = await databases(None)
    assert await disagreement(service, url) is None
    assert len(await _tables(url)) > 1
    await migrate(ROOT / service / "alembic", url, "base")
    assert await _tables(url) == {f"alembic_version_{service.replace('-', '_')}"}


async def test_all_services_may_share_one_database(databases) -> None:
    url = await databases(None)
    for service in SERVICES:
        await migrate(ROOT / service / "alembic", url)
    for service in SERVICES:
        await asyncio.to_thread(command.check, alembic_config(ROOT / service / "alembic", url))
    for service in SERVICES:
        await migrate(ROOT / service / "alembic", url, "base")
    assert {name for name in await _tables(url) if not name.startswith("alembic_version")} == set()


ALEMBIC = str(Path(sys.executable).parent / "alembic")


def alembic(folder: Path, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """The command itself, as the README prints it."""
    return subprocess.run(
        [ALEMBIC, *arguments],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def succeeded(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("service", SERVICES)
async def test_the_alembic_command_works_in_every_services_folder(databases, service: str, tmp_path: Path) -> None:
    """And from elsewhere, by `-c`, also when a folder has a name that configuration files would interpolate."""
    env = {"DATABASE_URL": await databases(None)}
    folder, elsewhere = ROOT / service, tmp_path / "tests dir" / "a b%c @é"
    elsewhere.mkdir(parents=True)
    shutil.copy(folder / "alembic.ini", elsewhere)
    succeeded(alembic(folder, "upgrade", "head", **env))
    succeeded(alembic(tmp_path, "-c", str(elsewhere / "alembic.ini"), "downgrade", "-1", **env))
    assert "(head)" not in succeeded(alembic(folder, "current", **env))
    succeeded(alembic(elsewhere, "upgrade", "head", **env))
    succeeded(alembic(tmp_path, "-c", str(folder / "alembic.ini"), "check", **env))


async def test_the_other_commands_that_the_guides_print_work_too(databases) -> None:
    env = {"DATABASE_URL": await databases(None)}
    folder = ROOT / "user-service"
    assert "(head)" in succeeded(alembic(folder, "history"))
    assert "CREATE TABLE" in succeeded(alembic(folder, "upgrade", "head", "--sql", **env))


@pytest.mark.parametrize("service", SERVICES)
async def test_a_new_migration_can_be_generated_wherever_the_clone_is(databases, service: str, tmp_path: Path) -> None:
    folder = tmp_path / "tests dir" / "a b%c @é" / "alembic"
    shutil.copytree(ROOT / service / "alembic", folder, ignore=shutil.ignore_patterns("__pycache__"))
    url = await databases(None)
    await migrate(folder, url)
    await asyncio.to_thread(command.revision, alembic_config(folder, url), "description", autogenerate=True)
    assert len(list((folder / "versions").glob("*_description.py"))) == 1


@pytest.mark.parametrize(
    ("given", "status"), [("postgresql://u:hunter2@127.0.0.1:{port}/d", 255), ("mysql://u:hunter2@h/d", 2)]
)
def test_alembic_says_in_one_line_what_is_wrong_with_the_database(
    unused_tcp_port: int, given: str, status: int
) -> None:
    done = alembic(ROOT / "user-service", "upgrade", "head", DATABASE_URL=given.format(port=unused_tcp_port))
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    assert "DATABASE_URL" in said
    assert said.strip().count("\n") == 0, said
    assert "hunter2" not in said


def test_every_service_asks_alembic_and_its_settings_in_the_same_way() -> None:
    """What is shown for one above is so for all. A duplicate option is an error of the parser."""
    for service in SERVICES:
        package, read = service.replace("-", "_"), configparser.ConfigParser()
        read.read_string((ROOT / service / "alembic.ini").read_text())
        assert dict(read["alembic"]) == {"script_location": f"{package}:../alembic"}
        entry = (ROOT / service / "alembic/env.py").read_text()
        assert re.search(
            r"^run_migrations\(Base.metadata, \"alembic_version_\w+\", lambda: load_settings\(", entry, re.MULTILINE
        )
