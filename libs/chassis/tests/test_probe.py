"""A container's health check, against a service that really listens."""

import asyncio
import socket

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from chassis.http.app import ServiceDescription, create_service_app
from chassis.http.health import Dependency
from chassis.probe import is_ready
from chassis.settings import ServiceSettings
from testkit.serving import serving


def app_with(*dependencies: Dependency) -> FastAPI:
    return create_service_app(
        ServiceDescription(name="things", title="Things", summary="Things"),
        ServiceSettings(_env_file=None),
        registry=CollectorRegistry(),
        dependencies=list(dependencies),
        lifespan=FastAPI().router.lifespan_context,
    )


async def _up() -> None: ...


async def _down() -> None:
    raise ConnectionError


@pytest.mark.parametrize(
    ("dependency", "ready"),
    [
        (Dependency("database", _up, essential=True), True),
        (Dependency("database", _down, essential=True), False),
        (Dependency("redis", _down), True),
    ],
)
async def test_the_probe_says_what_readiness_says(dependency: Dependency, ready: bool) -> None:
    async with serving(app_with(dependency)) as url:
        assert await asyncio.to_thread(is_ready, int(url.rpartition(":")[2])) is ready


async def test_a_service_that_is_not_there_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, without a listener
        assert not await asyncio.to_thread(is_ready, taken.getsockname()[1])
