"""A whole system to break: five processes and the provider simulators, on a PostgreSQL, a Redis and a RabbitMQ of its own."""

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import asyncpg
import httpx2

from contracts.topology import EXCHANGE
from testkit.dkim_keys import inline, rsa
from testkit.eventually import pause, wait_until
from testkit.servers.postgres import PostgresServer
from testkit.servers.rabbitmq import RabbitServer
from testkit.servers.redis import RedisServer
from testkit.system import ENDS, MODULES, System
from tests.faults import checks

# Every wait of the system, scaled down; the logic is the same.
QUICK = {
    "LEASE_SECONDS": "3",
    "RELAY_INTERVAL_SECONDS": "0.5",
    "LOST_GRACE_SECONDS": "4",
    "HEARTBEAT_SECONDS": "0.5",
    "SILENCE_SECONDS": "3",
    "REPORT_SILENCE_SECONDS": "3",
    "SWEEP_INTERVAL_SECONDS": "0.5",
    "DOWN_RETRY_SECONDS": "0.5",
    "BREAKER_OPEN_SECONDS": "1",
    "DRAIN_SECONDS": "8",
    "RATE_LIMIT_PER_MINUTE": "1000000",
    "STRANGER_LIMIT_PER_MINUTE": "1000000",
    "ACCESS_TOKEN_EXPIRE_MINUTES": "1440",  # one login for a run that may take hours
}
TEMPLATE = {
    "code": "welcome", "name": "Welcome", "language": "en", "subject": "Hello {{ name }}",
    "content": "<p>Hello {{ name }}, <a href='{{ link }}'>open</a></p>",
    "title": "Hi {{ name }}", "body": "Look at this", "link": "{{ link }}",
}  # fmt: skip
WAIT_SECONDS = 60.0
# `make faults` has the numbers of the list; as one part of CI's tests there are fewer messages, and every fault all the same.
WHOLE = "FAULTS" in os.environ


class Lab:
    """`system` is what is broken; the methods break it, wait, and count."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str] = QUICK) -> None:
        (folder / "postgres").mkdir(parents=True)
        self.postgres, self.redis = PostgresServer(folder / "postgres"), RedisServer(folder / "redis")
        self.rabbit = RabbitServer(folder / "rabbitmq")
        names = {service: service.replace("-", "_") for service in MODULES}
        base = self.postgres.url.rsplit("/", 1)[0]
        databases = {service: f"{base}/{name}" for service, name in names.items()}
        self.dkim_keys = f"example.com:s1:{inline(rsa())}"
        signed = {"DKIM_KEYS": self.dkim_keys}
        self.system = System(folder, databases, self.redis.url, self.rabbit, settings={**signed, **settings})

    def start(self) -> None:
        for server in (self.postgres, self.redis, self.rabbit):
            server.start()
        for url in self.system.databases.values():
            self.run(self.postgres.url, f'CREATE DATABASE "{url.rsplit("/", 1)[1]}"')
        self.system.start()
        self.system.call("POST", "/templates/", TEMPLATE)

    def stop(self) -> None:
        self.thaw_all()
        self.system.stop()
        for server in (self.rabbit, self.redis, self.postgres):
            server.stop()

    def heal(self) -> None:
        """After a test: everything runs, nothing is frozen, no provider misbehaves."""
        self.thaw_all()
        self.provider(smtp=None, fcm=None)
        for name in [name for name in self.system.processes if name not in {*MODULES, "simulators"}]:
            self.system.stop_service(name)
            del self.system.processes[name]
        for service in MODULES:
            if self.system.processes[service].process.poll() is not None:
                self.system.start_service(service)
        for service in MODULES:
            self.system.wait_ready(service)

    # What is sent, and what became of it.

    def user(self, email: str | None = None, push_token: str | None = None) -> str:
        """A new user, unknown to every cache; a magic address or token makes the provider misbehave."""
        person = {
            "name": "Ada",
            "email": email or f"ada.{uuid4().hex}@example.com",
            "password": uuid4().hex,
            "push_token": push_token or f"device-{uuid4().hex}",
            "preferences": {"email": True, "push": True},
        }
        return str(self.system.call("POST", "/users/", person)["id"])

    def batch(self, user: str, number: int, channel: str = "email", **changes: object) -> list[str]:
        """Accepts `number` notifications in calls of 1,000 at most; their ids."""
        ids: list[str] = []
        while len(ids) < number:
            items = [
                {"notification_type": channel, "user_id": user, "template_code": "welcome", "request_id": str(uuid4()),
                 "variables": {"name": "Ada", "link": "https://example.com/x"}, **changes}
                for _ in range(min(1000, number - len(ids)))
            ]  # fmt: skip
            answer = self.system.call("POST", "/notifications/batch", {"notifications": items}, status=202)
            ids += [item["data"]["notification_id"] for item in answer["results"]]
        return ids

    def status(self, notification_id: str) -> str:
        return str(self.detail(notification_id)["status"])

    def detail(self, notification_id: str) -> Any:
        return self.system.call("GET", f"/notifications/{notification_id}")

    def statuses(self, ids: Iterable[str]) -> dict[str, str]:
        """Read from the gateway's own table: thousands of GETs would be the load."""
        rows = self.sql(
            "api-gateway", "SELECT id::text, status FROM notifications WHERE id = ANY($1::uuid[])", list(ids)
        )
        return {row["id"]: row["status"] for row in rows}

    def copies(self) -> Counter[str]:
        """How often the providers took each notification."""
        return Counter(self.system.arrivals("email") + self.system.arrivals("push"))

    def until_ended(self, ids: Iterable[str], seconds: float = WAIT_SECONDS) -> dict[str, str]:
        return self.until_all(ids, ENDS, seconds)

    def until_all(self, ids: Iterable[str], are: set[str], seconds: float = WAIT_SECONDS) -> dict[str, str]:
        """Asks the more rarely the more there are: the question must not be the load."""
        wanted = list(ids)
        statuses: dict[str, str] = {}

        def all_are() -> bool:
            nonlocal statuses
            statuses = self.statuses(wanted)
            return set(statuses.values()) <= are

        what = f"each of {len(wanted)} in one of {sorted(are)}"
        wait_until(all_are, seconds, what, every=0.1 + len(wanted) / 50_000)
        return statuses

    def prove(
        self,
        fault: int,
        title: str,
        ids: Iterable[str],
        *,
        ambiguous: Iterable[str] = (),
        not_taken: Iterable[str] = (),
        seconds: float = WAIT_SECONDS,
    ) -> checks.Row:
        """Waits until all have ended, counts them into the table, and holds the promise: none lost, none duplicated."""
        statuses = self.until_ended(ids, seconds)
        row = checks.count(fault, title, statuses, self.copies(), ambiguous=ambiguous, not_taken=not_taken)
        assert (row.lost, row.duplicated) == (0, 0), row
        self.reconcile()
        return row

    def reconcile(self) -> None:
        """The system's own proof, and the workers' word on it. Whatever was sent has been reported in the end."""

        def checks() -> list[Any]:
            proof = self.system.call("GET", "/reconcile")
            assert proof["unaccounted"] == 0, proof
            found = [channel["ledger"] for channel in proof["channels"].values()]
            assert not any(check and check["unfounded"] for check in found), proof
            return found

        self.until(lambda: all(check and not check["unreported"] for check in checks()), "both ledgers agree")

    # Breaking things.

    def kill(self, name: str) -> None:
        """SIGKILL, as a machine that dies."""
        self.system.stop_service(name, how=signal.SIGKILL)

    def start_again(self, service: str) -> None:
        self.system.start_service(service)
        self.system.wait_ready(service)

    def freeze(self, name: str) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        os.killpg(self.system.processes[name].process.pid, signal.SIGSTOP)

    def thaw_all(self) -> None:
        for process in self.system.processes.values():
            if process.process.poll() is None:
                os.killpg(process.process.pid, signal.SIGCONT)
        self.thaw_rabbit()

    @contextlib.contextmanager
    def postgres_frozen(self) -> Iterator[None]:
        """Connections stay open, and no statement goes on, until the block ends."""
        self.postgres.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.postgres.signal(signal.SIGCONT)

    def freeze_rabbit(self) -> None:
        self.rabbit.signal(signal.SIGSTOP)

    def thaw_rabbit(self) -> None:
        self.rabbit.signal(signal.SIGCONT)

    def provider(self, *, smtp: str | None = None, fcm: str | None = None) -> None:
        """`down` turns away at the door; `stall` takes messages and keeps the answer back; None is well again."""
        url = f"{self.system.simulators['base_url']}/api/faults"
        httpx2.put(url, json={"smtp": smtp, "fcm": fcm}, trust_env=False).raise_for_status()

    # The databases, from the side.

    def sql(self, service: str, statement: str, *values: object) -> list[Any]:
        return self.run(self.system.databases[service], statement, *values)

    @contextlib.contextmanager
    def database_set(self, service: str, **options: str) -> Iterator[None]:
        """New connections of that database have these settings (`statement_timeout="3ms"`), and there are new ones only."""
        name = self.system.databases[service].rsplit("/", 1)[1]
        for option, value in options.items():
            self.run(self.postgres.url, f"ALTER DATABASE \"{name}\" SET {option} = '{value}'")
        self.hang_up(service)
        try:
            yield
        finally:
            for option in options:
                self.run(self.postgres.url, f'ALTER DATABASE "{name}" RESET {option}')
            self.hang_up(service)

    def hang_up(self, service: str) -> None:
        """Every connection to that database ends, in mid-statement too."""
        name = self.system.databases[service].rsplit("/", 1)[1]
        self.run(self.postgres.url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)

    def message_of(self, notification_id: str, service: str = "email-service") -> bytes:
        """The message that a worker has in hand, from its ledger."""
        table = f"{service.partition('-')[0]}_deliveries"
        rows = self.sql(service, f"SELECT message FROM {table} WHERE notification_id = $1::uuid", notification_id)
        return str(rows[0]["message"]).encode()

    def ambiguous(self, ids: Iterable[str], service: str = "email-service") -> dict[str, int]:
        """How often the ledger could not know whether each was sent; only those with an ambiguous attempt."""
        rows = self.sql(
            service,
            f"SELECT notification_id::text AS id, sum(ambiguous)::int AS times FROM {service.partition('-')[0]}_deliveries "
            "WHERE ambiguous > 0 AND notification_id = ANY($1::uuid[]) GROUP BY 1",
            list(ids),
        )
        return {row["id"]: row["times"] for row in rows}

    def ledger(self, notification_id: str, service: str = "email-service") -> str | None:
        """The state of a delivery in a worker's ledger; None when it has none."""
        table = f"{service.partition('-')[0]}_deliveries"
        rows = self.sql(service, f"SELECT state FROM {table} WHERE notification_id = $1::uuid", notification_id)
        return rows[0]["state"] if rows else None

    @contextlib.contextmanager
    def holding(self, service: str, *statements: str) -> Iterator[None]:
        """Keeps a transaction with these statements open (a lock, say) in the service's database."""
        with _Transaction(self.system.databases[service], statements):
            yield

    @contextlib.contextmanager
    def database_away(self, service: str) -> Iterator[None]:
        """That one database refuses connections, and those there are end; the server and the others live on."""
        name = self.system.databases[service].rsplit("/", 1)[1]
        self.run(self.postgres.url, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        self.run(self.postgres.url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        try:
            yield
        finally:
            self.run(self.postgres.url, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    def cut_off(self, service: str) -> None:
        """Ends the statements that wait for a lock: of a client that has died, they would still be carried out."""
        name = self.system.databases[service].rsplit("/", 1)[1]
        waiting = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'"
        )
        self.run(self.postgres.url, waiting, name)

    @contextlib.contextmanager
    def commits_unanswered(self) -> Iterator[None]:
        """Commits reach the disk, and nobody is told: the server waits for a standby that does not exist."""
        self.run(self.postgres.url, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        self.run(self.postgres.url, "SELECT pg_reload_conf()")
        try:
            yield
        finally:
            self.run(self.postgres.url, "ALTER SYSTEM RESET synchronous_standby_names")
            self.run(self.postgres.url, "SELECT pg_reload_conf()")

    def commit_waits(self) -> bool:
        """Whether an accept has been committed and waits to be answered."""
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = 'api_gateway'"
        return bool(self.run(self.postgres.url, waiting))

    # The broker, from the side.

    def publish(self, routing_key: str, body: bytes, message_id: str) -> None:
        """As a stranger, or as a broker that delivers twice."""

        async def run() -> None:
            async with await aio_pika.connect(self.rabbit.url) as connection:
                exchange = await (await connection.channel()).get_exchange(EXCHANGE, ensure=False)
                await exchange.publish(aio_pika.Message(body, message_id=message_id), routing_key)

        asyncio.run(run())

    def depth(self, queue: str) -> int:
        """Messages ready in a queue."""

        async def run() -> int:
            async with await aio_pika.connect(self.rabbit.url) as connection:
                declared = await (await connection.channel()).declare_queue(queue, passive=True)
                return declared.declaration_result.message_count or 0

        return asyncio.run(run())

    def until(self, true: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
        wait_until(true, seconds, what)

    def run(self, url: str, statement: str, *values: object) -> list[Any]:
        async def run() -> list[Any]:
            connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=5)
            try:
                return list(await connection.fetch(statement, *values))
            finally:
                await connection.close()

        return asyncio.run(run())


class _Transaction(threading.Thread):
    """An open transaction on a connection and a loop of its own."""

    def __init__(self, url: str, statements: Iterable[str]) -> None:
        super().__init__(daemon=True)
        self._url, self._statements = url.replace("+asyncpg", ""), tuple(statements)
        self._held, self._released = threading.Event(), threading.Event()
        self._failure: BaseException | None = None

    def __enter__(self) -> None:
        self.start()
        assert self._held.wait(20), "the lock was not granted"
        if self._failure is not None:
            raise self._failure

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self.join(20)

    def run(self) -> None:
        asyncio.run(self._hold())

    async def _hold(self) -> None:
        try:
            connection = await asyncpg.connect(self._url, timeout=5)
            try:
                async with connection.transaction():
                    for statement in self._statements:
                        await connection.execute(statement)
                    self._held.set()
                    await asyncio.to_thread(self._released.wait)
            finally:
                connection.terminate()
        except BaseException as failure:  # noqa: BLE001 - told to the thread that waits
            self._failure = failure
            self._held.set()


def steadily(send: Callable[[], object], seconds: float, every: float = 0.05) -> None:
    """Calls `send` at intervals for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        send()
        pause(every)


@contextlib.contextmanager
def restarted_with(lab: Lab, service: str, **settings: str) -> Iterator[None]:
    """The service runs with these settings besides its own; after, without them again."""
    lab.system.stop_service(service)
    lab.system.start_service(service, env=settings)
    lab.system.wait_ready(service)
    try:
        yield
    finally:
        lab.system.stop_service(service)
        lab.start_again(service)


def letter(user: str, **changes: object) -> dict[str, object]:
    """A request for one e-mail, under a request_id of its own unless one is given."""
    variables = {"name": "Ada", "link": "https://example.com/x"}
    return {"notification_type": "email", "user_id": user, "template_code": "welcome", "request_id": str(uuid4()),
            "variables": variables, **changes}  # fmt: skip


def post(lab: Lab, asked: object, gateway: str = "api-gateway") -> httpx2.Response:
    """The gateway's answer, whatever it is."""
    return lab.system.http.post(f"http://127.0.0.1:{lab.system.ports[gateway]}/api/v1/notifications", json=asked)
