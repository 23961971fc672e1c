"""PostgreSQL, Redis and RabbitMQ over TLS, by their addresses alone: the right server is let in, and no other.

The servers' certificate is for `localhost`, so that 127.0.0.1 is another host's name.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout
from sqlalchemy import text
from structlog.testing import capture_logs

from chassis.broker import QueueSpec, RabbitBroker, Timing, Topology
from chassis.postgres.database import Database, DatabaseUnavailable
from chassis.redis.client import connect_redis
from chassis.server_urls import DatabaseUrl, RabbitUrl, RedisUrl
from testkit.eventually import eventually
from testkit.servers.certificates import Authority
from testkit.servers.folder import server_folder
from testkit.servers.postgres import PostgresServer
from testkit.servers.process import free_port
from testkit.servers.rabbitmq import RabbitServer
from testkit.servers.redis import RedisServer

ROOT = Path(__file__).resolve().parents[2]
RIGHT, OTHER_HOST = "localhost", "127.0.0.1"


@dataclass(frozen=True)
class Tls:
    """Our authority and another; the server's certificate, which ours has signed."""

    ours: Path
    another: Path
    certificate: Path
    key: Path


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    if os.environ.get("CI") != "true":
        pytest.skip("servers of its own are started in CI only")
    with server_folder("tls-") as one:
        yield one


@pytest.fixture(scope="module")
def tls(folder: Path) -> Tls:
    authority, another = Authority(folder, "ours"), Authority(folder, "another")
    return Tls(authority.certificate, another.certificate, *authority.issue(RIGHT))


@pytest.fixture(scope="module")
def postgres(folder: Path, tls: Tls) -> Iterator[Callable[..., str]]:
    """Its address, by a host's name and an authority."""
    (folder / "postgres").mkdir()
    key = shutil.copy(tls.key, folder / "postgres.key")
    if os.geteuid() == 0:
        shutil.chown(key, "postgres", "postgres")
    server = PostgresServer(
        folder / "postgres", settings=["ssl=on", f"ssl_cert_file={tls.certificate}", f"ssl_key_file={key}"]
    )
    server.start()

    def url(host: str = RIGHT, authority: Path = tls.ours) -> str:
        given = f"postgresql://postgres@{host}:{server.port}/postgres?sslmode=verify-full&sslrootcert={authority}"
        return TypeAdapter(DatabaseUrl).validate_python(given)

    yield url
    server.stop()


@pytest.fixture(scope="module")
def redis(folder: Path, tls: Tls) -> Iterator[Callable[..., str]]:
    port = free_port()
    files = [
        "--tls-cert-file",
        str(tls.certificate),
        "--tls-key-file",
        str(tls.key),
        "--tls-ca-cert-file",
        str(tls.ours),
    ]
    server = RedisServer(folder / "redis", options=["--tls-port", str(port), "--tls-auth-clients", "no", *files])
    server.start()

    def url(host: str = RIGHT, authority: Path = tls.ours) -> str:
        return TypeAdapter(RedisUrl).validate_python(f"rediss://{host}:{port}/0?ssl_ca_certs={authority}")

    yield url
    server.stop()


@pytest.fixture(scope="module")
def rabbit(folder: Path, tls: Tls) -> Iterator[Callable[..., str]]:
    port = free_port()
    files = {"cacertfile": tls.ours, "certfile": tls.certificate, "keyfile": tls.key}
    config = [f"listeners.ssl.1 = 127.0.0.1:{port}", *(f"ssl_options.{name} = {path}" for name, path in files.items())]
    server = RabbitServer(folder / "rabbitmq", config=config)
    server.start()

    def url(host: str = RIGHT, authority: Path = tls.ours) -> str:
        return TypeAdapter(RabbitUrl).validate_python(f"amqps://guest:guest@{host}:{port}/?cafile={authority}")

    yield url
    server.stop()
    server.clean_up()


async def test_postgresql_is_spoken_to_over_tls(postgres: Callable[..., str]) -> None:
    database = Database(postgres())
    encrypted = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    async with database.begin() as connection:
        assert (await connection.execute(encrypted)).scalar_one()
    async with database.autocommit() as single:
        assert (await single.execute(encrypted))[0].ssl
    await database.close()


@pytest.mark.parametrize("wrong", ["host", "authority"])
async def test_another_postgresql_is_not(postgres: Callable[..., str], tls: Tls, wrong: str) -> None:
    database = Database(postgres(**others(tls)[wrong]))
    with capture_logs() as logs:
        with pytest.raises(DatabaseUnavailable):
            await database.ping()
        with pytest.raises(DatabaseUnavailable):
            async with database.autocommit():
                pass
    assert {event["error"] for event in logs} == {"SSLCertVerificationError"}
    await database.close()


def test_alembic_s_commands_take_the_same_address(postgres: Callable[..., str], tls: Tls) -> None:
    def alembic(url: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "alembic", "upgrade", "head"]
        environment = {**os.environ, "DATABASE_URL": url}
        return subprocess.run(
            command, cwd=ROOT / "user-service", env=environment, check=False, capture_output=True, text=True
        )

    port = postgres().rpartition("/postgres?")[0].rpartition(":")[2]
    address = f"postgresql+asyncpg://postgres@{{}}:{port}/postgres?sslmode=verify-full&sslrootcert={{}}"
    done = alembic(address.format(RIGHT, tls.ours))
    assert done.returncode == 0, done.stderr
    for refused in (alembic(address.format(OTHER_HOST, tls.ours)), alembic(address.format(RIGHT, tls.another))):
        assert refused.returncode != 0
        assert "certificate verify failed" in refused.stdout


async def ping(url: str) -> None:
    """A client gives each step half a second: on a busy machine a handshake may need another try."""
    client = connect_redis(url)

    async def answered() -> bool:
        with suppress(RedisTimeout):
            return bool(await client.ping())
        return False

    try:
        await eventually(answered)
    finally:
        await client.aclose()


async def test_redis_is_spoken_to_over_tls(redis: Callable[..., str]) -> None:
    await ping(redis())


@pytest.mark.parametrize("wrong", ["host", "authority"])
async def test_another_redis_is_not(redis: Callable[..., str], tls: Tls, wrong: str) -> None:
    with pytest.raises(RedisConnectionError, match="certificate verify failed"):
        await ping(redis(**others(tls)[wrong]))


def broker_at(url: str) -> RabbitBroker:
    topology = Topology("tls", (QueueSpec("tls.queue", "tls"),))
    return RabbitBroker(url, topology, name="test", timing=Timing(longest_backoff=0.2))


async def test_rabbitmq_is_spoken_to_over_tls(rabbit: Callable[..., str]) -> None:
    broker = broker_at(rabbit())
    await broker.start()
    assert await broker.wait_connected(30)
    await broker.ping()
    await broker.close()


@pytest.mark.parametrize("wrong", ["host", "authority"])
async def test_another_rabbitmq_is_not(rabbit: Callable[..., str], tls: Tls, wrong: str) -> None:
    broker = broker_at(rabbit(**others(tls)[wrong]))
    with capture_logs() as logs:
        await broker.start()
        assert not await broker.wait_connected(2)
        await broker.close()
    reasons = [event["reason"] for event in logs if event["event"] == "broker.connect_failed"]
    assert reasons
    assert all("certificate verify failed" in reason for reason in reasons)


def others(tls: Tls) -> dict[str, dict[str, object]]:
    return {"host": {"host": OTHER_HOST}, "authority": {"authority": tls.another}}
