"""A provider's request as the service reads it, and a server that stands for Amazon's."""

import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import TCPConnector, web
from aiohttp.abc import AbstractResolver, ResolveResult

from email_service.webhooks.events import WebhookRequest
from email_service.webhooks.ses import Ses
from email_service.webhooks.sns import SnsVerifier
from testkit.provider_webhooks import Posted, SnsTopic
from testkit.servers.certificates import Authority


@pytest.fixture
def request_of() -> Callable[..., WebhookRequest]:
    """What the service makes of a provider's request, `later` seconds after now."""

    def made(posted: Posted, *, later: float = 0) -> WebhookRequest:
        return WebhookRequest(posted.body, posted.headers, time.time() + later)

    return made


class Amazon(AbstractResolver):
    """A server with Amazon's names and a certificate for them, whose authority only `connector` trusts."""

    def __init__(self, topic: SnsTopic, context: ssl.SSLContext) -> None:
        self.pages: dict[str, bytes] = {urlsplit(topic.certificate_url).path: topic.certificate()}
        self.status = 200
        self.asked: list[str] = []
        self.port = 0
        self._context = context

    def connector(self) -> TCPConnector:
        return TCPConnector(resolver=self, ssl=self._context)

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=self.port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None: ...

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.host}{request.path_qs}")
        headers = {"Location": "/elsewhere"} if self.status in (301, 302) else {}
        return web.Response(body=self.pages.get(request.path, b""), status=self.status, headers=headers)


@pytest.fixture
def topic() -> SnsTopic:
    return SnsTopic()


@pytest.fixture
async def amazon(topic: SnsTopic, tmp_path: Path) -> AsyncIterator[Amazon]:
    authority = Authority(tmp_path, "authority")
    served, trusted = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    served.load_cert_chain(*authority.issue(topic.host))
    trusted.load_verify_locations(authority.certificate)
    made = Amazon(topic, trusted)
    app = web.Application()
    app.router.add_get("/{rest:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=served)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


@pytest.fixture
def ses(amazon: Amazon, topic: SnsTopic) -> Ses:
    return Ses(SnsVerifier([topic.arn], connector=amazon.connector))
