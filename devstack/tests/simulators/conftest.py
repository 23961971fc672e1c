import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiosmtplib
import httpx2
import pytest
from jose import jwt

from devstack.simulators.fcm import FcmSimulator
from devstack.simulators.magic import Faults
from devstack.simulators.oauth import GRANT_TYPE, SCOPE, ServiceAccount, make_service_account
from devstack.simulators.run import create_simulator_app
from devstack.simulators.smtp import SmtpSimulator
from devstack.simulators.store import Inbox
from devstack.simulators.web_push.service import WebPushSimulator
from devstack.simulators.web_push.vapid import write_vapid_key

BASE_URL = "http://simulator.test"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def smtp(inbox: Inbox, faults: Faults) -> AsyncIterator[SmtpSimulator]:
    simulator = SmtpSimulator(inbox, faults=faults)
    await simulator.start()
    yield simulator
    await simulator.close()


@pytest.fixture
async def mail(smtp: SmtpSimulator) -> AsyncIterator[aiosmtplib.SMTP]:
    """A connected client."""
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=smtp.port, use_tls=False, start_tls=False, timeout=10)
    await client.connect()
    yield client
    client.close()


@pytest.fixture(scope="session")
def account() -> ServiceAccount:
    return make_service_account(BASE_URL)


@dataclass(frozen=True)
class VapidKey:
    """`authorization` signs for the simulated push service; claims may be forged."""

    pem: str
    public: str

    def authorization(self, **claims: object) -> str:
        honest = {"aud": BASE_URL, "exp": int(time.time()) + 3600, "sub": "mailto:push@example.com"}
        return f"vapid t={jwt.encode(honest | claims, self.pem, algorithm='ES256')}, k={self.public}"


@pytest.fixture
def vapid(tmp_path: Path) -> VapidKey:
    path = tmp_path / "vapid.pem"
    return VapidKey(public=write_vapid_key(path), pem=path.read_text())


@pytest.fixture
def fcm(inbox: Inbox, account: ServiceAccount, faults: Faults) -> FcmSimulator:
    return FcmSimulator(inbox, account, faults=faults)


@pytest.fixture
def web_push(inbox: Inbox, faults: Faults, vapid: VapidKey) -> WebPushSimulator:
    return WebPushSimulator(inbox, origin=BASE_URL, public_key=vapid.public, secret=b"of the browsers", faults=faults)


@pytest.fixture
async def http(inbox: Inbox, fcm: FcmSimulator, web_push: WebPushSimulator) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the whole application, with no token yet."""
    transport = httpx2.ASGITransport(app=create_simulator_app(inbox, fcm, web_push, gateway_url="http://gateway:8000"))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        yield client


@pytest.fixture
def grant(account: ServiceAccount) -> Callable[..., dict[str, str]]:
    """The form of a token request; claims and the key may be forged."""

    def form(
        *, key: str | None = None, algorithm: str = "RS256", named: str | None = None, **claims: object
    ) -> dict[str, str]:
        now = int(time.time())
        honest = {"iss": account.client_email, "scope": SCOPE, "aud": account.token_uri, "iat": now, "exp": now + 3600}
        assertion = jwt.encode(
            honest | claims, key or account.private_key, algorithm=algorithm, headers={"alg": named or algorithm}
        )
        return {"grant_type": GRANT_TYPE, "assertion": assertion}

    return form


@pytest.fixture
async def sender(http: httpx2.AsyncClient, grant: Callable[..., dict[str, str]]) -> httpx2.AsyncClient:
    """A client that may send pushes."""
    answer = await http.post("/token", data=grant())
    http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return http
