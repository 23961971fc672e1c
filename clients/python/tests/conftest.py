"""Both clients, on a gateway in miniature."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from operator import attrgetter
from typing import Any

import httpx2
import pytest

from clients.python.tests.miniature import QUICK, Call, Gateway
from notifications import AsyncNotifications, Notifications


@pytest.fixture
def patience() -> float:
    """Of the clients, in seconds. Tests whose answers get lost have a shorter one."""
    return 30.0


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway()
    with server.running():
        yield server


@pytest.fixture
def client(gateway: Gateway, patience: float) -> Iterator[Notifications]:
    with (
        httpx2.Client(trust_env=False) as http,
        Notifications(gateway.url, api_key="k", timeout=patience, retries=QUICK, http_client=http) as made,
    ):
        yield made


@pytest.fixture(params=["sync", "async"])
async def call(request: pytest.FixtureRequest, gateway: Gateway, patience: float) -> AsyncIterator[Call]:
    """`await call("templates.get", "welcome")`, with either client."""
    options: dict[str, Any] = {"api_key": "k", "timeout": patience, "retries": QUICK}
    if request.param == "sync":
        with httpx2.Client(trust_env=False) as http, Notifications(gateway.url, http_client=http, **options) as client:
            yield lambda name, *args, **kwargs: asyncio.to_thread(attrgetter(name)(client), *args, **kwargs)
    else:
        async with (
            httpx2.AsyncClient(trust_env=False) as waiting,
            AsyncNotifications(gateway.url, http_client=waiting, **options) as other,
        ):
            yield lambda name, *args, **kwargs: attrgetter(name)(other)(*args, **kwargs)
