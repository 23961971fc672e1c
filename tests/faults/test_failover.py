"""PostgreSQL's primary dies under load, and its synchronous standby takes its place (fault 10 with two servers)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from testkit.servers.folder import server_folder
from testkit.servers.postgres import PostgresServer
from testkit.system import MODULES
from tests.faults.lab import QUICK, Lab
from tests.faults.test_databases import Load


class PairLab(Lab):
    """Every service knows both servers by one address. The work is in three queues a channel."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, settings={**QUICK, "QUEUE_SHARDS": "3"})
        (folder / "standby").mkdir()
        self.standby = PostgresServer(folder / "standby", primary=self.postgres)

    def start(self) -> None:
        super().start()
        self.standby.start()
        self.run(self.postgres.url, "ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        self.run(self.postgres.url, "SELECT pg_reload_conf()")
        for service, url in self.system.databases.items():
            server, _, database = url.rpartition("/")
            self.system.stop_service(service)
            both = f"{server},127.0.0.1:{self.standby.port}/{database}"
            self.system.start_service(service, env={"DATABASE_URL": both})
        for service in MODULES:
            self.system.wait_ready(service)

    def fail_over(self) -> None:
        self.standby.promote()
        new = self.standby.url.rpartition("/")[0]
        self.system.databases = {
            service: f"{new}/{url.rpartition('/')[2]}" for service, url in self.system.databases.items()
        }

    def stop(self) -> None:
        super().stop()
        self.standby.stop()


@pytest.fixture
def pair() -> Iterator[PairLab]:
    if not {"CI", "FAULTS"} & os.environ.keys():
        pytest.skip("the whole system needs real servers: make faults, or CI=true make test")
    with server_folder("system-") as folder:
        lab = PairLab(folder)
        try:
            lab.start()
            yield lab
        finally:
            lab.stop()


def test_10_postgresql_s_standby_is_promoted_under_load(pair: PairLab) -> None:
    user = pair.user()
    with Load(pair, user) as load:
        pair.until(lambda: len(load.accepted) >= 200, "200 accepted")
        pair.postgres.kill()
        pair.until(lambda: len(load.refusals) >= 5, "refusals")
        before = len(load.accepted)
        pair.fail_over()
        pair.until(lambda: len(load.accepted) >= before + 200, "200 more accepted")
    assert {answer.status_code for answer in load.refusals} == {503}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in load.refusals)
    pair.prove(10, "PostgreSQL's standby promoted under load", load.accepted)
