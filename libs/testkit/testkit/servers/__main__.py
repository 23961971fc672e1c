"""`python -m testkit.servers -- COMMAND`: starts real servers, runs the command with their addresses in TEST_*_URL, and
stops them.
"""

import os
import subprocess
import sys

from chassis.server.commands import plain_end
from testkit.servers.folder import server_folder
from testkit.servers.postgres import PostgresServer
from testkit.servers.process import require_servers
from testkit.servers.rabbitmq import RabbitServer
from testkit.servers.redis import RedisServer

# Only a machine that crashes would lose what the tests wrote. Databases live for minutes: nothing has to be cleaned up.
WITHOUT_CARE = ("fsync=off", "full_page_writes=off", "autovacuum=off")
# Erlang's schedulers do not spin while they wait for work. Brokers that tests start have it from the environment, too.
WITHOUT_SPINNING = "+sbwt none +sbwtdcpu none +sbwtdio none"


def main(command: list[str]) -> int:
    require_servers()
    os.environ.setdefault("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", WITHOUT_SPINNING)
    with server_folder("servers-") as folder:
        postgres, redis = PostgresServer(folder / "postgres", settings=WITHOUT_CARE), RedisServer(folder / "redis")
        rabbit = RabbitServer(folder / "rabbitmq")
        (folder / "postgres").mkdir()
        started = []
        try:
            for server in (postgres, redis, rabbit):
                started.append(server)
                server.start()
            addresses = {
                "TEST_DATABASE_URL": postgres.url,
                "TEST_REDIS_URL": redis.url,
                "TEST_RABBITMQ_URL": rabbit.url,
                "TEST_SERVER_LOGS": os.pathsep.join(str(server.log) for server in started),
            }
            print("real servers:", ", ".join(f"{name}={url}" for name, url in addresses.items()), flush=True)  # noqa: T201
            return subprocess.run(command, env={**os.environ, **addresses}, check=False).returncode
        finally:
            for server in reversed(started):
                server.stop()
            rabbit.clean_up()


if __name__ == "__main__":
    if "--" not in sys.argv[:-1]:
        raise SystemExit("usage: python -m testkit.servers -- COMMAND")
    with plain_end():
        raise SystemExit(main(sys.argv[sys.argv.index("--") + 1 :]))
