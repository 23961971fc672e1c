"""Server addresses in settings: parsed leniently, checked before any connection, and never quoted.

They contain passwords, so an error describes the expected form and does not quote the value. Those of PostgreSQL, Redis and
RabbitMQ may name several servers (`chassis.failover`). For TLS each address names the file with the authority's certificates
as its driver does: `sslrootcert`, `ssl_ca_certs`, `cafile`.
"""

import ssl
from typing import Annotated
from urllib.parse import parse_qs, quote, unquote, urlsplit

import yarl
from pydantic import AfterValidator
from redis.asyncio import ConnectionPool
from sqlalchemy import URL, make_url
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.exc import ArgumentError

from chassis.failover import servers_of
from chassis.security.service_keys import is_weak_password

DRIVER = "postgresql+asyncpg"
POSTGRESQL_PORT = 5432
# These names mean the same server and become our driver (SQLAlchemy 2.1 takes `postgresql://` for psycopg).
SAME_SERVER = frozenset({DRIVER, "postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"})
# The text options of the driver's `connect`.
OPTIONS = frozenset({"host", "port", "ssl", "sslrootcert", "passfile", "target_session_attrs", "krbsrvname", "gsslib"})
# A service writes. With `any` it takes the first server that answers, e.g. one of several poolers.
SESSION_ATTRIBUTES = frozenset({"any", "primary", "read-write"})
SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
# With `sslrootcert` the driver verifies the signer in all these modes, and the host name only in `verify-full`.
VERIFYING_MODES = frozenset({"require", "verify-ca", "verify-full"})


def _database(given: str) -> str:
    """Also accepts libpq's `sslmode`, which the driver calls `ssl`, and `sslrootcert`, which it reads only in a DSN."""
    try:
        url = _for_writing(_as_one([_of_postgresql(one) for one in _servers(given)]))
    except (ArgumentError, ValueError):
        raise ValueError(
            "is no PostgreSQL address like postgresql://user:password@host:5432/database, or …@host1:5432,host2:5432/…"
        ) from None
    if "sslmode" in url.query:
        url = url.update_query_dict({"ssl": url.query["sslmode"]}).difference_update_query(["sslmode"])
    _refuse_options(url)
    if "sslrootcert" in url.query:
        certificates = quote(str(url.query["sslrootcert"]), safe="")
        url = url.update_query_dict({"dsn": f"postgresql://?sslrootcert={certificates}"})
        url = url.difference_update_query(["sslrootcert"])
    return url.render_as_string(hide_password=False)


def _servers(given: str) -> tuple[str, ...]:
    """Raises ValueError for a list of whole addresses: only hosts are separated by commas."""
    if "://" in given.partition("://")[2].partition("?")[0]:
        raise ValueError
    return servers_of(given.strip())


def _of_postgresql(given: str) -> URL:
    """The address of one server. Raises ValueError and ArgumentError."""
    scheme, _, rest = given.partition("://")
    url = make_url(f"{DRIVER}://{rest}")
    if scheme not in SAME_SERVER or not (url.host or url.query or url.database) or not 0 <= (url.port or 0) < 65_536:
        raise ValueError
    return url


def _as_one(urls: list[URL]) -> URL:
    """The servers as the lists `host` and `port`, as SQLAlchemy has them. Raises ValueError if one has no host."""
    first = urls[0]
    if len(urls) == 1:
        return first
    if not all(url.host for url in urls):
        raise ValueError
    servers = {
        "host": ",".join(str(url.host) for url in urls),
        "port": ",".join(str(url.port or POSTGRESQL_PORT) for url in urls),
    }
    query = {**first.query, **servers}
    return URL.create(DRIVER, first.username, first.password, database=first.database, query=query)


def _for_writing(url: URL) -> URL:
    """Of several servers the one that takes writes, unless the address says otherwise. Raises ArgumentError."""
    _, options = dialect().create_connect_args(url)  # type: ignore[no-untyped-call]
    several = isinstance(options.get("host"), list)
    return url.update_query_dict({"target_session_attrs": "read-write", **url.query}) if several else url


def _refuse_options(url: URL) -> None:
    unknown = sorted(url.query.keys() - OPTIONS)
    if unknown:
        raise ValueError(f"has options that the driver does not know: {', '.join(unknown)}")
    if url.query.get("ssl", "prefer") not in SSL_MODES:
        raise ValueError(f"has an unknown ssl mode; there are {', '.join(sorted(SSL_MODES))}")
    if url.query.get("target_session_attrs", "any") not in SESSION_ATTRIBUTES:
        raise ValueError(f"has target_session_attrs without writes; there are {', '.join(sorted(SESSION_ATTRIBUTES))}")
    if "sslrootcert" in url.query:
        if url.query.get("ssl") not in VERIFYING_MODES:
            raise ValueError("has an sslrootcert and nothing to be verified with it: add sslmode=verify-full")
        _read_certificates(str(url.query["sslrootcert"]))


def _redis(given: str) -> str:
    try:
        servers = _servers(given)
        for server in servers:
            ConnectionPool.from_url(server).make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):  # TypeError: an option that the client does not know
        servers = ()
    nameless = len(servers) > 1 and not all(urlsplit(server).hostname for server in servers)
    if not servers or nameless:  # for one without a name the client would take localhost
        raise ValueError("is no Redis address like redis://:password@host:6379/0, or …@host1:6379,host2:6379/0")
    for path in parse_qs(urlsplit(given.strip()).query).get("ssl_ca_certs", ()):
        _read_certificates(path)
    return given.strip()


def _amqp(given: str) -> str:
    try:
        urls = [yarl.URL(server) for server in _servers(given)]
        heartbeat = int(urls[0].query.get("heartbeat", "1"))
    except ValueError:
        urls, heartbeat = [yarl.URL()], 0
    if heartbeat < 0 or not all(url.scheme in {"amqp", "amqps"} and url.host for url in urls):
        raise ValueError("is no RabbitMQ address like amqp://user:password@host:5672/, or …@host1:5672,host2:5672/")
    url = urls[0]
    if "cafile" in url.query:
        if url.scheme != "amqps":
            raise ValueError("has a cafile and no TLS: amqps://user:password@host:5671/?cafile=…")
        _read_certificates(url.query["cafile"])
    return given.strip()


def _http(given: str) -> str:
    try:
        parts = urlsplit(given.strip())
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("is no address like http://host:8001")
    return given.strip().rstrip("/")


def _read_certificates(path: str) -> None:
    """Checks the file at the start, when an operator is watching, and not at each connection. Raises ValueError."""
    try:
        ssl.create_default_context(cafile=path)
    except OSError:  # also raised if the file holds no certificate
        raise ValueError("names a file of certificates that cannot be read") from None


def password_of(url: str) -> str:
    """The password, or "" if there is none."""
    return unquote(urlsplit(url).password or "")


def has_weak_password(url: str) -> bool:
    """Whether the password is easy to guess. Without a password the server requires none, or another credential."""
    parts = urlsplit(url)
    if parts.scheme.startswith("amqp") and not parts.username:
        return True  # the protocol's own default: guest, guest
    password = password_of(url)
    return bool(password) and is_weak_password(unquote(parts.username or ""), password)


DatabaseUrl = Annotated[str, AfterValidator(_database)]
RedisUrl = Annotated[str, AfterValidator(_redis)]
RabbitUrl = Annotated[str, AfterValidator(_amqp)]
ServiceUrl = Annotated[str, AfterValidator(_http)]
