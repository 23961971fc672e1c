"""A whole system to measure, on private servers. `fresh` resets it before each case."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import redis

from bench import queues
from bench.children import Children
from bench.console import OpenConsole
from bench.database import Database
from bench.fixtures import Fixtures, make_fixtures
from bench.measure import cpu_seconds
from bench.ports import quiet_port
from bench.providers import Providers
from bench.servers import Postgres, Rabbit, Redis
from bench.system import BenchSystem
from bench.users import Users, Walk
from testkit.system import MODULES

WORKERS = ("email-service", "push-service")


class Lab:
    """`start`, then `fresh` before each case, and `stop` at the end, which stops everything that was started. With
    `console` somebody has the console open whenever the gateway runs.
    """

    def __init__(self, folder: Path, *, console: bool = False) -> None:
        (folder / "postgres").mkdir(parents=True)
        self.folder = folder
        self.postgres = Postgres(folder / "postgres", quiet_port())
        self.redis = Redis(folder / "redis", quiet_port())
        self.rabbit = Rabbit(folder / "rabbitmq", quiet_port())
        base = self.postgres.url.rsplit("/", 1)[0]
        databases = {service: f"{base}/{service.replace('-', '_')}" for service in MODULES}
        self.system = BenchSystem.for_servers(folder, databases, self.redis.url, self.rabbit)
        self.gateway = Database(databases["api-gateway"])
        self.admin = Database(self.postgres.url)
        self.providers = Providers(folder)
        self.children = Children(folder)
        self.fixtures = Fixtures()
        self.users = self.apart = Walk(())
        self._started: list[Postgres | Redis | Rabbit] = []
        self._console = console
        self._open_console: OpenConsole | None = None

    def start(self) -> None:
        for server in (self.postgres, self.redis, self.rabbit):
            self._started.append(server)
            server.start()
        self.providers.start()
        self.system.simulators.update(self.providers.facts)
        for name in self._names():
            self.admin.rows(f'CREATE DATABASE "{name}"')
        self.system.start()
        users = Database(self.system.databases["user-service"])
        try:
            self.fixtures = make_fixtures(self.system, users)
        finally:
            users.close()
        self.system.kill_all()
        for name in self._names():
            self.admin.rows(f'ALTER DATABASE "{name}" RENAME TO "{name}_seed"')

    def fresh(self, *, without: Iterable[str] = (), users: Users = Users.COLD) -> None:
        """Users, a template and keys exist; there are no notifications, the queues are empty, the caches cold. `without`
        leaves out services.

        Load uses `self.users` and `self.apart`, which are different users.
        """
        self.users, self.apart = Walk(self.fixtures.users[: users.value]), Walk(self.fixtures.apart)
        self.gateway.close()
        self._close_console()
        self.children.stop()
        self.system.kill_all()
        for name in self._names():
            self.admin.rows(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            self.admin.rows(f'CREATE DATABASE "{name}" TEMPLATE "{name}_seed"')
        self.admin.rows("CHECKPOINT")  # otherwise a due checkpoint would fall into the case
        queues.empty_all(self.rabbit.url)
        redis.Redis.from_url(self.redis.url).flushall()
        self.providers.reset()
        self.run_services(without=without)

    def wait_quiet(self) -> None:
        """Runs now what PostgreSQL would run in the next minute because of the writes so far."""
        self.gateway.rows("VACUUM ANALYZE")
        self.admin.rows("CHECKPOINT")

    def run_services(self, services: Iterable[str] = MODULES, *, without: Iterable[str] = ()) -> None:
        """Starts one process of each and waits until they are ready. The console, if wanted, opens with the gateway."""
        left_out = set(without)
        wanted = [name for name in services if name not in left_out]
        for name in wanted:
            self.system.start_service(name)
        for name in wanted:
            self.system.wait_ready(name)
        if self._console and "api-gateway" in wanted:
            self._open_console = OpenConsole(self.children, self.system.ports["api-gateway"])

    def stop(self) -> None:
        self._close_console()
        self.gateway.close()
        self.admin.close()
        self.system.kill_all()
        self.system.http.close()
        self.children.stop()
        self.providers.stop()
        for server in reversed(self._started):
            server.stop()
        self.rabbit.clean_up()

    def new_database(self, name: str) -> str:
        """The address of a new empty database, for parts outside the system."""
        self.admin.rows(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.admin.rows(f'CREATE DATABASE "{name}"')
        return f"{self.postgres.url.rsplit('/', 1)[0]}/{name}"

    def pids(self) -> dict[str, int]:
        """Every process by name. PostgreSQL's and RabbitMQ's include all of their processes."""
        servers = {"postgresql": self.postgres.pid, "rabbitmq": self.rabbit.pid, "redis": self.redis.pid}
        return {**self.system.pids(), **self.children.pids(), **self.providers.pids(), **servers}

    def cpu(self) -> Mapping[str, float]:
        """CPU seconds used so far, by name."""
        return cpu_seconds(self.pids())

    def reconcile(self) -> Any:
        return self.system.call("GET", "/reconcile")

    def check_console(self) -> None:
        """Raises what a page of the open console could not show: without its requests the load was another one."""
        if self._open_console and self._open_console.failure:
            raise RuntimeError("the open console failed") from self._open_console.failure

    def _close_console(self) -> None:
        if self._open_console:
            self._open_console.close()
            self._open_console = None

    def _names(self) -> list[str]:
        return [url.rsplit("/", 1)[1] for url in self.system.databases.values()]
