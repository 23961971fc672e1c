"""The tests' private servers, with the process ids that measuring needs."""

from testkit.servers.postgres import PostgresServer
from testkit.servers.process import ServerProcess
from testkit.servers.rabbitmq import RabbitServer
from testkit.servers.redis import RedisServer


class Postgres(PostgresServer):
    @property
    def pid(self) -> int:
        return _pid(self._process)


class Redis(RedisServer):
    @property
    def pid(self) -> int:
        return _pid(self._process)


class Rabbit(RabbitServer):
    @property
    def pid(self) -> int:
        return _pid(self._process)


def _pid(process: ServerProcess | None) -> int:
    if process is None:
        raise RuntimeError("it has not been started")
    return process.process.pid
