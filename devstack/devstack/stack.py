"""The services, the console and the provider simulators, running on embedded parts in this process."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Literal

from fakeredis import FakeAsyncRedis
from fastapi import FastAPI
from pydantic import SecretStr
from redis.asyncio import Redis

import api_gateway.main
import console.main
import email_service.worker
import push_service.worker
import template_service.main
import user_service.main
from api_gateway.settings import GatewaySettings
from chassis.broker import MemoryBroker
from chassis.observability.metrics import new_registry
from chassis.postgres.database import Database
from chassis.postgres.migrations import migrate
from chassis.settings import read_settings
from console.settings import ConsoleSettings
from contracts.topology import TOPOLOGY
from devstack.plan import ADMIN_EMAIL, ADMIN_PASSWORD, HOST, SERVICES, Ports, Secrets
from devstack.postgres import EmbeddedPostgres, sole_use, start_postgres
from devstack.serving import serving
from devstack.simulators.apns.team import KEY_ID, TEAM_ID, TOPIC
from devstack.simulators.demo.router import Login
from devstack.simulators.run import RunningSimulators, SimulatorOptions, running_simulators
from email_service.settings import EmailSettings
from push_service.settings import PushSettings
from template_service.settings import TemplateSettings
from user_service.repositories.audit import audit_trail
from user_service.services.admins import AdminMaker, ensure_admin
from user_service.services.passwords import Passwords
from user_service.settings import UserSettings

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class RunningStack:
    ports: Ports
    simulators: RunningSimulators
    gateway_url: str
    inbox_url: str
    console_url: str


@dataclass(frozen=True, slots=True)
class Embedded:
    """The parts that replace the servers."""

    postgres: EmbeddedPostgres
    redis: Redis
    broker: MemoryBroker

    def database(self, service: str) -> str:
        return self.postgres.url(service.replace("-", "_"))


class EmbeddedGatewaySettings(GatewaySettings):
    """Attachments by URL as in production: nothing of this machine can be read with them unless ATTACHMENT_URLS is `any`."""

    attachment_urls: Literal["off", "public", "any"] = "public"


@asynccontextmanager
async def running_stack(data: Path, ports: Ports) -> AsyncIterator[RunningStack]:
    """On entry everything is running and the first administrator exists. On exit everything is stopped; the data stays in
    `data`.

    Raises StackError if a port is taken, or `data` is in use or cannot be used; WrongSettings for wrong settings in the
    environment.
    """
    ports.refuse_taken()
    async with AsyncExitStack() as stack:
        stack.enter_context(sole_use(data))
        secrets = Secrets.kept_in(data)
        postgres = await start_postgres(data / "postgres")
        stack.push_async_callback(postgres.close)
        redis = FakeAsyncRedis()
        stack.push_async_callback(redis.aclose)
        embedded = Embedded(postgres, redis, MemoryBroker(TOPOLOGY))
        await _prepare_databases(embedded)
        gateway_url = f"http://localhost:{ports.gateway}"
        password = token_urlsafe(24)
        simulated = SimulatorOptions(
            data=data / "simulators",
            smtp_port=ports.smtp,
            http_port=ports.inbox,
            gateway_url=gateway_url,
            login=Login(ADMIN_EMAIL, ADMIN_PASSWORD),
            webhook_url=f"http://postmark:{password}@{HOST}:{ports.gateway}/api/v1/webhooks/postmark",
        )
        simulators = await stack.enter_async_context(running_simulators(simulated))
        await _prepare_admin(embedded.database("user-service"), secrets.secret_key)
        for app, port in _apps(embedded, ports, secrets, simulators, webhook_password=password):
            listener = stack.enter_context(socket.create_server((HOST, port)))
            await stack.enter_async_context(serving(app, listener))
        yield RunningStack(
            ports, simulators, gateway_url, f"http://localhost:{ports.inbox}", f"http://localhost:{ports.console}"
        )


async def _prepare_databases(embedded: Embedded) -> None:
    for service in SERVICES:
        await embedded.postgres.create_database(service.replace("-", "_"))
        await migrate(ROOT / service / "alembic", embedded.database(service))


async def _prepare_admin(url: str, secret_key: str) -> None:
    database, passwords = Database(url, pool_size=1), Passwords(new_registry(), workers=1)
    try:
        maker = AdminMaker(database, passwords, audit_trail(secret_key))
        await ensure_admin(maker, email=ADMIN_EMAIL, name="Administrator", password=ADMIN_PASSWORD)
    finally:
        passwords.close()
        await database.close()


def _apps(
    embedded: Embedded, ports: Ports, secrets: Secrets, simulators: RunningSimulators, *, webhook_password: str
) -> list[tuple[FastAPI, int]]:
    """The services in the order of their start: services that others depend on come first."""
    common: dict[str, Any] = {
        "_env_file": None,
        "host": HOST,
        "user_service_url": f"http://{HOST}:{ports.users}",
        "template_service_url": f"http://{HOST}:{ports.templates}",
    }
    keys: dict[str, Any] = {"secret_key": secrets.secret_key}
    redis, broker, accounts = embedded.redis, embedded.broker, simulators.accounts
    users = read_settings(
        UserSettings,
        database_url=embedded.database("user-service"),
        port=ports.users,
        api_gateway_url=f"http://{HOST}:{ports.gateway}",
        push_service_url=f"http://{HOST}:{ports.push}",
        vapid_public_key=simulators.vapid_public_key,
        web_push_simulator_url=simulators.base_url,
        **common,
        **keys,
    )
    templates = read_settings(
        TemplateSettings,
        database_url=embedded.database("template-service"),
        port=ports.templates,
        **common,
        **keys,
    )
    email = read_settings(
        EmailSettings,
        database_url=embedded.database("email-service"),
        port=ports.email,
        api_gateway_url=f"http://{HOST}:{ports.gateway}",
        smtp_host=HOST,
        smtp_port=simulators.smtp_port,
        public_url=f"http://localhost:{ports.gateway}",
        postmark_webhook_password=webhook_password,
        sendgrid_webhook_public_key="" if accounts.sendgrid is None else accounts.sendgrid.shown_key,
        mailgun_webhook_signing_key="" if accounts.mailgun is None else accounts.mailgun.key,
        **common,
    )
    push = read_settings(
        PushSettings,
        database_url=embedded.database("push-service"),
        port=ports.push,
        api_gateway_url=f"http://{HOST}:{ports.gateway}",
        fcm_base_url=simulators.base_url,
        fcm_service_account_file=simulators.service_account,
        vapid_private_key_file=simulators.vapid_key,
        vapid_subject="mailto:push@example.com",
        apns_base_url=simulators.apns_url,
        apns_sandbox_base_url=simulators.apns_sandbox_url,
        apns_private_key_file=simulators.apns_key,
        apns_key_id=KEY_ID,
        apns_team_id=TEAM_ID,
        apns_topic=TOPIC,
        web_push_simulator_url=simulators.base_url,
        **common,
    )
    gateway = read_settings(
        EmbeddedGatewaySettings,
        database_url=embedded.database("api-gateway"),
        port=ports.gateway,
        web_push_simulator_url=simulators.base_url,
        email_service_url=f"http://{HOST}:{ports.email}",
        push_service_url=f"http://{HOST}:{ports.push}",
        cors_origins=(f"http://localhost:{ports.inbox}", f"http://{HOST}:{ports.inbox}"),  # the demo page
        lost_grace_seconds=5,  # the in-process broker loses everything when the stack stops, so check soon after a start
        **common,
        **keys,
    )
    pages = read_settings(
        ConsoleSettings,
        _env_file=None,
        host=HOST,
        port=ports.console,
        api_gateway_url=f"http://{HOST}:{ports.gateway}",
        public_url=f"http://localhost:{ports.gateway}",
        console_secret_key=SecretStr(secrets.console_secret_key),
    )
    return [
        (user_service.main.create_app(users, redis=redis), ports.users),
        (template_service.main.create_app(templates, redis=redis), ports.templates),
        (email_service.worker.create_app(email, redis=redis, broker=broker), ports.email),
        (push_service.worker.create_app(push, redis=redis, broker=broker), ports.push),
        (api_gateway.main.create_app(gateway, redis=redis, broker=broker), ports.gateway),
        (console.main.create_app(pages), ports.console),
    ]
