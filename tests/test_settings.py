"""What a service makes of its environment: one clear line for what it cannot use, never a traceback, never a value."""

import hashlib
import hmac
import json
import math
import os
import socket
import string
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Literal, get_args, get_origin

import httpx2
import pytest
from annotated_types import Ge, Gt, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

import api_gateway.main
import email_service.worker
import push_service.worker
import template_service.main
import user_service.main
from chassis.observability.tracing import OFF
from chassis.security import SharedSecret
from chassis.security.service_keys import ServiceKey, development_key
from chassis.settings import load_settings, signing_secret
from devstack.simulators.oauth import make_service_account
from testkit.eventually import wait_until
from testkit.servers.process import ServerProcess, free_port
from tests.deploy.compose import SETTINGS

CREATE_APP: Mapping[str, Any] = {
    "api-gateway": api_gateway.main.create_app,
    "user-service": user_service.main.create_app,
    "template-service": template_service.main.create_app,
    "email-worker": email_service.worker.create_app,
    "push-worker": push_service.worker.create_app,
}
MODULES = {name: name.replace("-worker", "-service").replace("-", "_") for name in SETTINGS}
CHECKS_TOKENS = ("api-gateway", "user-service", "template-service")
# The .env that the project was asked for, as it was printed.
BRIEFS_ENV = """
# Database
DATABASE_URL=postgresql+asyncpg://postgres:postgres@localhost:5432/notifications
# Redis
REDIS_URL=redis://localhost:6379/0
# RabbitMQ
RABBITMQ_URL=amqp://admin:admin123@localhost:5672/
# SMTP (for Email Service)
SMTP_HOST=smtp.gmail.com
SMTP_PORT=587
SMTP_USER=your-email@gmail.com
SMTP_PASSWORD=your-app-password
FROM_EMAIL=noreply@example.com
# FCM (for Push Service)
FCM_API_KEY=your-fcm-server-key
# Service URLs
USER_SERVICE_URL=http://localhost:8001
TEMPLATE_SERVICE_URL=http://localhost:8002
# Worker Configuration
WORKER_PREFETCH_COUNT=10
MAX_RETRIES=5
# JWT Authentication
SECRET_KEY=your-secret-key-here
ALGORITHM=HS256
ACCESS_TOKEN_EXPIRE_MINUTES=30
# The other brief's
DEBUG=False
ALLOWED_HOSTS=localhost,127.0.0.1
DB_NAME=api_gateway
DB_USER=postgres
DB_PASSWORD=secret
DB_HOST=localhost
DB_PORT=5432
"""
STRONG = "k" * 20 + "-strong-enough-for-a-test"
ANOTHER = "m" * 20 + "-strong-enough-for-a-test"
UNKNOWN_KEY = token_urlsafe(32)
SAYS_NOTHING = "hunter2"  # what must never be quoted


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without any variable of ours, in a folder without a .env."""
    for kind in SETTINGS.values():
        for name in kind.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "service").mkdir()
    monkeypatch.chdir(tmp_path / "service")
    return monkeypatch


@pytest.fixture
def refusal(env: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Refusal":
    return Refusal(env, capsys)


def own_key(service: str, private: str | None = None) -> dict[str, str]:
    key = ServiceKey(service.replace("-worker", "-service"), private or token_urlsafe(32))
    return {"SERVICE_PRIVATE_KEY": key.private, "SERVICE_PUBLIC_KEYS": f"{key.service}:{key.public}"}


@dataclass
class Refusal:
    env: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, service: str, **given: str) -> str:
        """The one line with which the service does not start."""
        with self.env.context() as changed:
            for name, value in given.items():
                changed.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                load_settings(SETTINGS[service])
        assert ended.value.code == 2
        line = self.capsys.readouterr().err
        assert line.count("\n") == 1, line
        assert SAYS_NOTHING not in line
        return line


def nonsense(field: FieldInfo) -> list[str]:
    """Values that a field of this kind cannot have. None for free text."""
    kinds = [kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not type(None)]
    if get_origin(field.annotation) is Literal:
        return [SAYS_NOTHING]
    if bool in kinds:
        return [SAYS_NOTHING, "2"]
    if int in kinds or float in kinds:
        bounds = [bound for bound in field.metadata if isinstance(bound, Ge | Gt)]
        assert bounds, "a number without a lower bound"
        return [SAYS_NOTHING, "-1", "nan", "inf", "1e400"]
    return []


@pytest.mark.parametrize("service", SETTINGS)
def test_a_value_of_the_wrong_kind_is_one_line_that_names_the_variable(refusal: Refusal, service: str) -> None:
    for name, field in SETTINGS[service].model_fields.items():
        for value in nonsense(field):
            assert name.upper() in refusal(service, **{name.upper(): value}), value


ADDRESSES: Mapping[str, tuple[str, ...]] = {
    "DATABASE_URL": (
        "hunter2", "mysql://u:hunter2@h/d", "sqlite:///hunter2", "postgresql+pg8000://u:hunter2@h/d",
        "postgresql://u:hunter2@h:port/d", "postgresql://u:hunter2@h:99999/d", "postgresql://u:hunter2@[::1/d",
        "postgresql://u:hunter2@h/d?foo=bar", "postgresql://u:hunter2@h/d?sslmode=hunter2", "postgresql://",
        "postgresql://u:hunter2@h/d?sslmode=verify-full&sslrootcert=/nowhere/hunter2.pem",
        "postgresql://u:hunter2@h/d?sslmode=verify-full&sslrootcert=/etc/hostname",
        "postgresql://u:hunter2@h/d?sslmode=verify-full&sslrootcert=/hunter2&sslrootcert=/hunter2",
        "postgresql://u:hunter2@h/d?sslrootcert=/etc/ssl/certs/ca-certificates.crt",
        "postgresql://u:hunter2@a,/d", "postgresql://u:hunter2@a:1,b:port/d", "postgresql://u:hunter2@a,b:99999/d",
        "postgresql://u:hunter2@a,b/d?target_session_attrs=standby", "postgresql://u:hunter2@h/d?target_session_attrs=hunter2",
        "postgresql://u:hunter2@/d?host=a,b", "postgresql://u:hunter2@/d?host=a,b&port=1,2,3",
        "postgresql://u:hunter2@a,postgresql://b/d",
    ),
    "REDIS_URL": (
        "hunter2", "localhost:6379", "http://:hunter2@h", "redis://:hunter2@h:port/0", "redis://:hunter2@h/0?foo=bar",
        "rediss://:hunter2@h/0?ssl_ca_certs=/nowhere/hunter2.pem",
        "redis://:hunter2@h/0?ssl_ca_certs=/etc/ssl/certs/ca-certificates.crt",
        "redis://:hunter2@a:6379,b:port/0", "redis://:hunter2@a,/0", "redis://:hunter2@,a/0",
        "redis://:hunter2@a,redis://b/0",
    ),
    "DATA_ENCRYPTION_KEYS": (
        "hunter2", "a:hunter2", "a:aHVudGVyMg==", "a:", "plain,a:hunter2", f"a:{'A' * 43}=", f"a:{'aHVudGVyMg' * 4}abc=",
    ),
    "RABBITMQ_URL": (
        "hunter2", "localhost:5672", "http://u:hunter2@h", "amqp://u:hunter2@h:port/", "amqp://", "amqp://u:hunter2@[::1/",
        "amqp://u:hunter2@h/?heartbeat=hunter2",
        "amqps://u:hunter2@h/?cafile=/nowhere/hunter2.pem",
        "amqp://u:hunter2@h/?cafile=/etc/ssl/certs/ca-certificates.crt",
        "amqp://u:hunter2@a,b:port/", "amqp://u:hunter2@a,,b/", "amqp://u:hunter2@a,amqp://b/",
    ),
    "USER_SERVICE_URL": ("hunter2", "localhost:8001", "ftp://h", "http://", "http://h:port", "http://h/?a=hunter2"),
    "API_GATEWAY_URL": ("hunter2",),
    "ACCOUNT_URL": ("hunter2", "https://h/?a=hunter2", "https://h/#hunter2"),
    "CORS_ORIGINS": ("hunter2", "https://hunter2/x", "https://a.example, hunter2"),
    "TEMPLATE_SERVICE_URL": ("hunter2", "//h"),
    "EMAIL_SERVICE_URL": ("hunter2",),
    "PUSH_SERVICE_URL": ("hunter2",),
    "FCM_BASE_URL": ("hunter2", "ftp://h"),
    "APNS_PRIVATE_KEY": ("hunter2", "-----BEGIN PRIVATE KEY----- hunter2"),
    "APNS_PRIVATE_KEY_FILE": ("/nowhere/hunter2.p8", "/", "/etc/hostname"),
    "APNS_KEY_ID": ("hunter2", "hunter2abc"),
    "APNS_TEAM_ID": ("hunter2",),
    "APNS_TOPIC": ("hunter2", "com.hunter2/x", "com..hunter2"),
    "APNS_BASE_URL": ("hunter2", "ftp://h"),
    "APNS_SANDBOX_BASE_URL": ("hunter2", "ftp://h"),
    "VAPID_PRIVATE_KEY": ("hunter2", "-----BEGIN PRIVATE KEY----- hunter2", "A" * 43),
    "VAPID_PRIVATE_KEY_FILE": ("/nowhere/hunter2.pem", "/", "/etc/hostname"),
    "VAPID_PUBLIC_KEY": ("hunter2", "A" * 87),
    "VAPID_SUBJECT": ("hunter2", "mailto:hunter2@localhost", "http://hunter2.example"),
    "WEB_PUSH_SIMULATOR_URL": ("hunter2", "ftp://h"),
    "FORWARDED_ALLOW_IPS": ("hunter2", "10.0.0.1/8", "*, 10.0.0.1", "300.0.0.1"),
    "FROM_EMAIL": ("hunter2", "a@b, hunter2@d", "Hunter <hunter2@example.com>", "a@", "ü@example.com"),
    "FROM_NAME": ("two\nlines",),
    "BOUNCE_DOMAIN": ("hunter2", "a@hunter2.example", "https://hunter2.example", "hunter2 example.com"),
    "DKIM_KEYS": (
        "hunter2", "example.com:s1", "hunter2:s1:/etc/hostname", "example.com:s1:/nowhere/hunter2.pem", "example.com:s1:/",
        "example.com:s1:/etc/hostname", "example.com:s1:MIhunter2", "example.com:s1:-----BEGIN PRIVATE KEY-----hunter2",
    ),
    "SES_TOPIC_ARNS": ("hunter2", "arn:aws:sqs:eu-west-1:123456789012:hunter2", "arn:aws:sns:hunter2.example:123456789012:x"),
    "SENDGRID_WEBHOOK_PUBLIC_KEY": ("hunter2", "aHVudGVyMg=="),
    "POSTMARK_WEBHOOK_PASSWORD": ("hunter2",),
    "SENDER_DOMAINS": ("hunter2", "example.com, hunter2", "a@hunter2.example", "*.hunter2.example"),
    "EMAIL_PROVIDERS": (
        "hunter2", '["hunter2"]', '{"hunter2 x": {"host": "a.example"}}', '{"one": {"host": "smtp://hunter2"}}',
        '{"one": {"host": "a.example", "user": "u", "password": "hunter2", "tls": "sometimes"}}',
    ),
    "PUBLIC_URL": ("hunter2", "ftp://hunter2.example", "https://hunter2.example/?x=1", "https://hunter2 .example"),
    "SMTP_HOST": ("smtp://hunter2", "smtp.example.com:587", "a b"),
    "SMTP_SERVICE": ("hunter2",),
    "SMTP_EHLO_NAME": ("hunter2 hunter2", "tür"),
    "FCM_SERVICE_ACCOUNT_FILE": ("/nowhere/hunter2.json", "/", "/etc/hostname"),
    "SERVICE_PRIVATE_KEY": ("hunter2", "-----BEGIN PRIVATE KEY----- hunter2", UNKNOWN_KEY),
    "SERVICE_PUBLIC_KEYS": ("hunter2", "api-gateway:hunter2", f"api-gateway:{UNKNOWN_KEY}"),
    "FCM_SERVICE_ACCOUNT_JSON": ("hunter2", "{}", '{"private_key": "hunter2"}'),
}  # fmt: skip


@pytest.mark.parametrize("service", SETTINGS)
def test_an_address_that_is_none_is_one_line_that_names_the_variable_and_not_the_password(
    refusal: Refusal, service: str
) -> None:
    for name in ADDRESSES.keys() & {field.upper() for field in SETTINGS[service].model_fields}:
        for value in ADDRESSES[name]:
            assert name in refusal(service, **{name: value}), value


def test_every_text_that_means_something_is_tried_above() -> None:
    """What is left is free text, or a key."""
    free = {
        "HOST",
        "SMTP_USER",
        "SMTP_PASSWORD",
        "MAILGUN_WEBHOOK_SIGNING_KEY",
        "SECRET_KEY",
        "METRICS_TOKEN",
        "FCM_API_KEY",
        "WEB_PUSH_HOSTS",
    }
    fields = {name.upper(): field for kind in SETTINGS.values() for name, field in kind.model_fields.items()}
    assert {name for name, field in fields.items() if not nonsense(field)} == free | set(ADDRESSES)


@pytest.mark.parametrize("service", SETTINGS)
def test_an_empty_variable_is_an_unset_one(env: pytest.MonkeyPatch, service: str) -> None:
    """As compose passes on what .env does not set."""
    defaults = SETTINGS[service]()
    for name in SETTINGS[service].model_fields:
        env.setenv(name.upper(), "")
    assert load_settings(SETTINGS[service]) == defaults


@pytest.mark.parametrize("service", SETTINGS)
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("postgres://u:p%40x@h:5433/d", "postgresql+asyncpg://u:p%40x@h:5433/d"),
        (" postgresql://u@h/d ", "postgresql+asyncpg://u@h/d"),
        ("postgresql+psycopg2://u@h/d?sslmode=require", "postgresql+asyncpg://u@h/d?ssl=require"),
        ("postgresql:///d?host=/run/postgresql", "postgresql+asyncpg:///d?host=%2Frun%2Fpostgresql"),
        ("postgresql:///d", "postgresql+asyncpg:///d"),
        (
            "postgresql://u:p%40x@a,b:5433/d",
            "postgresql+asyncpg://u:p%40x@/d?host=a%2Cb&port=5432%2C5433&target_session_attrs=read-write",
        ),
        (
            "postgresql://u@a,b/d?target_session_attrs=any",
            "postgresql+asyncpg://u@/d?host=a%2Cb&port=5432%2C5432&target_session_attrs=any",
        ),
        (
            "postgresql://u@/d?host=a,b&port=1,2",
            "postgresql+asyncpg://u@/d?host=a%2Cb&port=1%2C2&target_session_attrs=read-write",
        ),
    ],
)
def test_a_postgresql_address_of_another_driver_means_the_same_database(
    env: pytest.MonkeyPatch, service: str, given: str, meant: str
) -> None:
    env.setenv("DATABASE_URL", given)
    assert load_settings(SETTINGS[service]).database_url == meant


def test_the_password_of_an_address_of_several_servers_is_seen(env: pytest.MonkeyPatch) -> None:
    """That it is weak, and that two addresses have the same one."""
    env.setenv("RABBITMQ_URL", "amqp://admin:admin123@a,b:5672/")
    env.setenv("DATABASE_URL", "postgresql://postgres:postgres@a:5432,b/d")
    assert set(load_settings(SETTINGS["api-gateway"]).weak_logins) == {"DATABASE_URL", "RABBITMQ_URL"}


def test_what_is_harmless_is_read_leniently(env: pytest.MonkeyPatch) -> None:
    env.setenv("LOG_LEVEL", "info")
    env.setenv("ALGORITHM", "hs256")
    env.setenv("USER_SERVICE_URL", "http://users:8001/")
    env.setenv("FORWARDED_ALLOW_IPS", "10.0.0.0/8, ::1,")
    settings = load_settings(SETTINGS["template-service"])
    assert (settings.log_level, settings.forwarded_allow_ips) == ("INFO", "10.0.0.0/8,::1")
    assert (settings.algorithm, settings.user_service_url) == ("HS256", "http://users:8001")  # type: ignore[attr-defined]


def test_no_number_of_seconds_reaches_beyond_the_calendar(refusal: Refusal) -> None:
    for service, kind in SETTINGS.items():
        for name in kind.model_fields:
            if name.endswith("_seconds"):
                assert name.upper() in refusal(service, **{name.upper(): "1e15"})


def test_no_number_of_days_reaches_beyond_the_calendar() -> None:
    for kind in SETTINGS.values():
        for name, field in kind.model_fields.items():
            if name.endswith("_days"):
                assert any(isinstance(bound, Le) and math.isfinite(float(str(bound.le))) for bound in field.metadata), (
                    name
                )


@pytest.mark.parametrize("service", SETTINGS)
def test_the_briefs_own_env_starts_in_development_with_a_warning(
    env: pytest.MonkeyPatch, tmp_path: Path, service: str
) -> None:
    (tmp_path / ".env").write_text(BRIEFS_ENV)
    settings = load_settings(SETTINGS[service])
    CREATE_APP[service](settings, tracing=OFF)
    assert ("SECRET_KEY" in settings.weak_keys) is (service in CHECKS_TOKENS)


@pytest.mark.parametrize("service", SETTINGS)
def test_in_production_weak_keys_that_are_used_are_one_line_and_others_are_not_asked_for(
    env: pytest.MonkeyPatch, refusal: Refusal, service: str
) -> None:
    env.setenv("ENVIRONMENT", "production")
    env.setenv("FCM_SERVICE_ACCOUNT_JSON", json.dumps(asdict(make_service_account("https://oauth2.example"))))
    line = refusal(service)
    assert "SERVICE_PRIVATE_KEY, SERVICE_PUBLIC_KEYS" in line
    assert "METRICS_TOKEN" in line
    assert ("SECRET_KEY" in line) is (service == "user-service"), "with ES256 only its keeper needs it"
    for name, value in own_key(service).items():
        env.setenv(name, value)
    env.setenv("METRICS_TOKEN", ANOTHER)
    env.setenv("ALGORITHM", "HS256")
    if service in CHECKS_TOKENS:
        line = refusal(service, SECRET_KEY="your-secret-key-here")
        assert "SECRET_KEY" in line
        assert "your-secret-key-here" not in line
    env.setenv("SECRET_KEY", STRONG[::-1])
    assert "DATABASE_URL" in refusal(service)
    env.setenv("DATABASE_URL", "postgresql://service:of-the-database@db.example/service")
    env.setenv("RABBITMQ_URL", "amqp://service:of-the-broker@mq.example/")
    settings = load_settings(SETTINGS[service])
    assert settings.weak_keys == settings.weak_logins == []
    CREATE_APP[service](settings, tracing=OFF)


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("DATABASE_URL", "postgresql://postgres:postgres@db.example/x"),
        ("DATABASE_URL", "postgresql://service:service@db.example/x"),
        ("DATABASE_URL", "postgresql://service:Password@db.example/x"),
        ("RABBITMQ_URL", "amqp://guest:guest@mq.example/"),
        ("RABBITMQ_URL", "amqp://mq.example/"),
        ("REDIS_URL", "redis://:secret@cache.example/0"),
        ("DATABASE_URL", "postgresql://service:xK4-vT9.q2@db.example/x"),
        ("DATABASE_URL", "postgresql://notification_service:notification_service@db.example/x"),
        ("DATABASE_URL", "postgresql://service:aaaaaaaaaaaaaaaa@db.example/x"),
        ("RABBITMQ_URL", "amqp://service:notify-notify-@mq.example/"),
        ("REDIS_URL", "redis://:0123456789abcdef@cache.example/0"),
    ],
)
def test_production_refuses_logins_that_are_easily_guessed_by_name(
    env: pytest.MonkeyPatch, refusal: Refusal, variable: str, url: str
) -> None:
    given = {
        "ENVIRONMENT": "production",
        **own_key("email-worker"),
        "METRICS_TOKEN": ANOTHER,
        "DATABASE_URL": "postgresql://service:of-the-database@db.example/service",
        "RABBITMQ_URL": "amqp://service:of-the-broker@mq.example/",
        variable: url,
    }
    line = refusal("email-worker", **given)
    assert variable in line
    assert url not in line


@pytest.mark.parametrize(
    "weak", ["a" * 40, "abcdefgh" * 8, "0123456789abcdef" * 4, "changeme-" * 5, string.printable[:62]]
)
def test_production_refuses_a_key_that_is_long_and_easily_guessed(
    env: pytest.MonkeyPatch, refusal: Refusal, weak: str
) -> None:
    line = refusal("user-service", ENVIRONMENT="production", SECRET_KEY=weak, **own_key("user-service"))
    assert "SECRET_KEY" in line
    assert weak not in line


def test_production_refuses_a_private_key_that_is_easily_guessed(refusal: Refusal) -> None:
    assert "SERVICE_PRIVATE_KEY" in refusal(
        "email-worker", ENVIRONMENT="production", **own_key("email-worker", "A" * 43)
    )


def test_production_refuses_one_key_for_two_purposes(env: pytest.MonkeyPatch, refusal: Refusal) -> None:
    key = own_key("user-service")
    line = refusal(
        "user-service",
        ENVIRONMENT="production",
        SECRET_KEY=key["SERVICE_PRIVATE_KEY"],
        **key,
        METRICS_TOKEN=ANOTHER,
        DATABASE_URL="postgresql://service:of-the-database@db.example/service",
    )
    assert "SECRET_KEY" in line
    assert "SERVICE_PRIVATE_KEY" in line


@pytest.mark.parametrize("other", ["METRICS_TOKEN", "DATABASE_URL", "REDIS_URL", "RABBITMQ_URL"])
def test_production_refuses_one_secret_for_two_doors(env: pytest.MonkeyPatch, refusal: Refusal, other: str) -> None:
    """Of every secret that a service has, passwords of servers included."""
    given = {
        "METRICS_TOKEN": ANOTHER,
        "DATABASE_URL": "postgresql://service:of-the-database@db.example/service",
        "RABBITMQ_URL": "amqp://service:of-the-broker@mq.example/",
        "REDIS_URL": "redis://:of-the-cache-and-more@cache.example/0",
    }
    key = own_key("email-worker")
    secret = key["SERVICE_PRIVATE_KEY"]
    same = secret if other == "METRICS_TOKEN" else f"{given[other].partition(':')[0]}://service:{secret}@host.example/0"
    line = refusal("email-worker", ENVIRONMENT="production", **key, **{**given, other: same})
    assert set(line.rstrip().rpartition(": ")[2].split(", ")) == {"SERVICE_PRIVATE_KEY", other}
    assert secret not in line


@pytest.mark.parametrize("service", SETTINGS)
def test_a_service_does_not_start_with_a_key_that_the_others_do_not_know_as_its_own(
    env: pytest.MonkeyPatch, refusal: Refusal, service: str
) -> None:
    own = own_key(service)
    another = own_key("user-service" if service == "api-gateway" else "api-gateway")
    for public in (
        another["SERVICE_PUBLIC_KEYS"],
        another["SERVICE_PUBLIC_KEYS"].rpartition(":")[0] + f":{UNKNOWN_KEY}",
    ):
        assert "SERVICE_PUBLIC_KEYS" in refusal(service, **{**own, "SERVICE_PUBLIC_KEYS": public})
    both = f"{own['SERVICE_PUBLIC_KEYS']},{own_key(service)['SERVICE_PUBLIC_KEYS']},{another['SERVICE_PUBLIC_KEYS']}"
    env.setenv("SERVICE_PRIVATE_KEY", own["SERVICE_PRIVATE_KEY"])
    env.setenv("SERVICE_PUBLIC_KEYS", both)
    assert len(load_settings(SETTINGS[service]).service_public_keys) == 3  # type: ignore[attr-defined]


def test_production_believes_nobody_with_a_key_that_is_printed_in_public(refusal: Refusal) -> None:
    own = own_key("user-service")
    known = f"{own['SERVICE_PUBLIC_KEYS']},api-gateway:{development_key('api-gateway').public}"
    given = {**own, "SERVICE_PUBLIC_KEYS": known, "SECRET_KEY": STRONG, "METRICS_TOKEN": ANOTHER}
    assert "no default: SERVICE_PUBLIC_KEYS\n" in refusal("user-service", ENVIRONMENT="production", **given)


@pytest.mark.parametrize("service", CHECKS_TOKENS)
def test_a_pem_is_no_shared_secret(refusal: Refusal, service: str) -> None:
    assert "SECRET_KEY" in refusal(
        service, ALGORITHM="HS256", SECRET_KEY=f"-----BEGIN PRIVATE KEY----- {SAYS_NOTHING * 9}"
    )


@pytest.mark.parametrize("secret", ["your-secret-key-here", "é", "k" * 40])
def test_a_short_secret_signs_as_it_was_given(secret: str) -> None:
    """So that what else has the secret, and knows nothing of us, understands our tokens and we its."""
    ours = SharedSecret(signing_secret(SecretStr(secret))).verification_key
    assert ours.verifies(b"message", hmac.digest(secret.encode(), b"message", hashlib.sha256))


@pytest.mark.parametrize("content", [b"\xff\xfeSECRET_KEY=hunter2", b"FROM_NAME=Pr\xe9nom hunter2"])
def test_an_env_file_that_is_no_text_is_one_line(refusal: Refusal, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "service/.env").write_bytes(content)
    assert ".env" in refusal("user-service")


def test_an_env_file_with_a_byte_order_mark_is_read_from_its_first_line(
    env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "service/.env").write_bytes("\ufeffPORT=8123\r\nLOG_LEVEL=DEBUG\r\n".encode())
    assert load_settings(SETTINGS["user-service"]).port == 8123


@pytest.fixture
def processes() -> Iterator[dict[str, ServerProcess]]:
    """What a test starts, stopped when it ends."""
    started: dict[str, ServerProcess] = {}
    yield started
    for process in started.values():
        process.stop()


def test_every_service_runs_on_the_briefs_own_env(
    env: pytest.MonkeyPatch, tmp_path: Path, processes: dict[str, ServerProcess]
) -> None:
    """As processes of their own, with no server anywhere: they start, and say what is weak."""
    (tmp_path / ".env").write_text(BRIEFS_ENV)
    ports = {service: free_port() for service in SETTINGS}
    for service, port in ports.items():
        command = [sys.executable, "-m", MODULES[service]]
        processes[service] = ServerProcess(command, tmp_path / service, {"PORT": str(port), "HOST": "127.0.0.1"})
    for service, port in ports.items():
        wait_until(lambda port=port: _lives(port), 60, service)
        log = (tmp_path / service).read_text()
        assert ("settings.weak_key" in log and '"SECRET_KEY"' in log) is (service in CHECKS_TOKENS)
        assert "your-secret-key-here" not in log


def test_a_worker_is_one_process_in_an_environment_that_asks_for_several(
    env: pytest.MonkeyPatch, tmp_path: Path, processes: dict[str, ServerProcess]
) -> None:
    port, log = free_port(), tmp_path / "log"
    given = {"PORT": str(port), "HOST": "127.0.0.1", "WEB_CONCURRENCY": "3"}
    processes["email-worker"] = ServerProcess([sys.executable, "-m", MODULES["email-worker"]], log, given)
    wait_until(lambda: _lives(port), 60, "email-worker")
    pid = processes["email-worker"].process.pid
    assert Path(f"/proc/{pid}/task/{pid}/children").read_text() == ""
    warned = [line for line in log.read_text().splitlines() if "WEB_CONCURRENCY" in line]
    assert len(warned) == 1
    assert json.loads(warned[0])["event"] == "settings.ignored"


def _lives(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health/live", trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False


def test_a_start_that_fails_is_no_traceback(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "PORT" in _fails("template_service", 3, HOST="127.0.0.1", PORT=port)
    assert "HOST" in _fails("template_service", 3, HOST="no.such.host.invalid")
    assert _fails("user_service", 2, ENVIRONMENT="production").count("\n") == 1


def _fails(module: str, status: int, **given: str) -> str:
    command = [sys.executable, "-m", module]
    done = subprocess.run(command, env={**os.environ, **given}, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == status
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr
