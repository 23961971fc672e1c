"""Opens connections to one PostgreSQL server of several: the one that takes writes."""

from typing import TYPE_CHECKING

import asyncpg
from asyncpg.exceptions import TargetServerAttributeNotMatched
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from chassis.failover import ServerOrder, notice_silence

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

DIALECT = dialect()  # type: ignore[no-untyped-call]


class Connector:
    """Connects to the database at `url`, an address of `chassis.server_urls`.

    Of several servers, the one that answered last is tried first. Each has `seconds`: the driver's own time limit is for all
    servers together, so one that is cut off would leave no time for the next. `command_seconds` limits each statement.
    """

    def __init__(self, url: str, *, seconds: float, command_seconds: float | None = None) -> None:
        _, options = DIALECT.create_connect_args(make_url(url))  # type: ignore[no-untyped-call]
        hosts, ports = options.pop("host", None), options.pop("port", None)
        several = isinstance(hosts, list)
        self._servers = ServerOrder(zip(hosts, ports, strict=True) if several else [(hosts, ports)])
        self._options = {**options, "timeout": seconds, "command_timeout": command_seconds}

    async def connect(self, record_class: type[asyncpg.Record] = asyncpg.Record) -> Connection:
        """If no server can be used, raises the first error. That a server is a standby counts only if all are."""
        errors: list[Exception] = []
        for server in self._servers.all():
            host, port = server
            try:
                connection: Connection = await asyncpg.connect(
                    **self._options, host=host, port=port, record_class=record_class
                )
            except Exception as error:  # noqa: BLE001 - whatever is wrong with this server, the next may be the primary
                self._servers.failed(server)
                errors.append(error)
            else:
                notice_silence(getattr(connection, "_transport"))  # noqa: B009 - the driver has no option for it
                return connection
        raise min(errors, key=lambda error: isinstance(error, TargetServerAttributeNotMatched))
