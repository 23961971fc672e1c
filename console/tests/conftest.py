"""The console before a real system: `make up` in a process of its own, and the console's app in this one."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest

from console.main import create_app
from tests.test_readme import Stack
from tests.visiting import Browser, System, settings


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    stack = Stack(tmp_path_factory.mktemp("console"))
    stack.start()
    running = System(stack.moved("http://localhost:8000"))
    yield running
    running.http.close()
    stack.process.stop(how=signal.SIGINT, seconds=60)


@pytest.fixture
async def browsers() -> AsyncIterator[Any]:
    """Makes browsers, each before a console of its own: `await browsers(url)`."""
    async with AsyncExitStack() as stack:

        async def make(url: str, base: str = "http://console.test", **more: object) -> Browser:
            app = create_app(settings(url, **more))
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
            http = httpx2.AsyncClient(transport=transport, base_url=base, trust_env=False)
            return Browser(app, await stack.enter_async_context(http))

        yield make


@pytest.fixture
async def visitor(system: System, browsers: Any) -> Browser:
    """Nobody has logged in."""
    return await browsers(system.url)


@pytest.fixture
async def admin(visitor: Browser) -> Browser:
    return await visitor.log_in()
