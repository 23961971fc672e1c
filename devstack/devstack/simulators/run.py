"""The simulators in one process. One HTTP application has FCM's API, browsers' push service, the inbox page and its API."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from devstack.serving import serving
from devstack.simulators import pages
from devstack.simulators.api import faults_router, messages_router
from devstack.simulators.apns.server import serving_apns
from devstack.simulators.apns.service import ApnsSimulator
from devstack.simulators.apns.team import Team
from devstack.simulators.demo.router import Login, demo_router
from devstack.simulators.fcm import FcmSimulator
from devstack.simulators.magic import Faults
from devstack.simulators.mail_accounts import MailAccounts
from devstack.simulators.oauth import write_service_account
from devstack.simulators.smtp import SmtpSimulator
from devstack.simulators.store import Inbox
from devstack.simulators.views import page_router
from devstack.simulators.web_push.browsers import kept_secret
from devstack.simulators.web_push.mailbox import Mailbox
from devstack.simulators.web_push.service import WebPushSimulator
from devstack.simulators.web_push.vapid import write_vapid_key
from devstack.simulators.webhooks import Webhooks

_STATIC = Path(pages.__file__).parent / "static"


def create_simulator_app(
    inbox: Inbox, fcm: FcmSimulator, web_push: WebPushSimulator, *, gateway_url: str, login: Login | None = None
) -> FastAPI:
    """`gateway_url` is the gateway's address on the pages. The switches of `fcm` are shared with the SMTP server."""
    # No /docs: its assets come from the internet, and all of this works offline.
    app = FastAPI(title="Provider simulators", docs_url=None, redoc_url=None)
    app.router.routes.extend([*fcm.routes, *web_push.routes])
    app.include_router(messages_router(inbox))
    app.include_router(faults_router(fcm.faults))
    app.include_router(page_router(inbox, gateway_url))
    app.include_router(demo_router(gateway_url, web_push.address, login))
    app.mount("/static", StaticFiles(directory=_STATIC))

    @app.get("/health")
    async def health() -> Mapping[str, object]:
        return {"status": "healthy", "emails": inbox.emails.total, "pushes": inbox.pushes.total}

    return app


@dataclass(frozen=True)
class SimulatorOptions:
    """`data` is the folder for the service account and, with `journal`, for the messages. Port 0 uses a free port.

    `public_url` is the address for senders if `host` is not usable (a container's 0.0.0.0). `gateway_url` is the gateway's
    address on the pages, `login` who sends on the demo page, `webhook_url` where the e-mail provider's events go, with a user
    name and a password in it.
    """

    data: Path
    host: str = "127.0.0.1"
    smtp_port: int = 1025
    http_port: int = 8025
    apns_port: int = 0
    apns_sandbox_port: int = 0
    public_url: str = ""
    gateway_url: str = "http://localhost:8000"
    webhook_url: str = ""
    keep: int = 10_000
    journal: bool = True
    login: Login | None = None


@dataclass(frozen=True)
class RunningSimulators:
    inbox: Inbox
    faults: Faults
    smtp_port: int
    http_port: int
    base_url: str
    service_account: Path
    vapid_key: Path
    vapid_public_key: str
    apns_url: str
    apns_sandbox_url: str
    apns_key: Path
    accounts: MailAccounts


@asynccontextmanager
async def running_simulators(options: SimulatorOptions) -> AsyncIterator[RunningSimulators]:
    """Running on entry, with the real ports. On exit connections are dropped and the journal is closed."""
    inbox = Inbox(options.data / "messages.jsonl" if options.journal else None, keep=options.keep)
    faults = Faults()
    accounts = MailAccounts.of_secret(kept_secret(options.data / "mail-webhooks.secret"))
    smtp = SmtpSimulator(
        inbox,
        faults=faults,
        host=options.host,
        port=options.smtp_port,
        webhooks=Webhooks(options.webhook_url, accounts),
    )
    try:
        # Bound before anything is built, because the service account contains the port.
        with socket.create_server((options.host, options.http_port)) as listener:
            port = listener.getsockname()[1]
            base_url = options.public_url or f"http://{options.host}:{port}"
            account_path = options.data / "service-account.json"
            fcm = FcmSimulator(inbox, write_service_account(account_path, base_url), faults=faults)
            vapid_path = options.data / "vapid.pem"
            vapid_public_key = write_vapid_key(vapid_path)
            web_push = WebPushSimulator(
                inbox,
                origin=base_url,
                public_key=vapid_public_key,
                secret=kept_secret(options.data / "browsers.secret"),
                faults=faults,
                mailbox=Mailbox(options.data / "subscriptions.json" if options.journal else None),
            )
            await smtp.start()
            app = create_simulator_app(inbox, fcm, web_push, gateway_url=options.gateway_url, login=options.login)
            team = Team.kept_in(options.data / "apns.p8")
            apns = ApnsSimulator(inbox, team, faults=faults)
            sandbox = ApnsSimulator(inbox, team, faults=faults, environment="sandbox")
            async with (
                serving(app, listener, lifespan="off", grace_seconds=1, ws="websockets-sansio"),
                serving_apns(apns, options.host, options.apns_port) as apns_port,
                serving_apns(sandbox, options.host, options.apns_sandbox_port) as sandbox_port,
            ):
                yield RunningSimulators(
                    inbox,
                    faults,
                    smtp.port,
                    port,
                    base_url,
                    account_path,
                    vapid_path,
                    vapid_public_key,
                    f"http://{options.host}:{apns_port}",
                    f"http://{options.host}:{sandbox_port}",
                    team.path,
                    accounts,
                )
    finally:
        await smtp.close()
        inbox.close()
