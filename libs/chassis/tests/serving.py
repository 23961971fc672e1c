"""A small service, run by test_processes.py as `python serving.py` with settings in the environment."""

import contextlib
import os
import time
from collections.abc import AsyncIterator

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from chassis.http.app import ServiceDescription, create_service_app
from chassis.observability.metrics import Reading, new_registry
from chassis.observability.tracing import Tracing
from chassis.server.run import serve
from chassis.settings import ServiceSettings
from testkit.eventually import time_passes


def create_app(settings: ServiceSettings, *, tracing: Tracing) -> FastAPI:
    if os.environ.get("FAILS"):
        raise RuntimeError("this service cannot be made")
    registry = new_registry()

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield

    app = create_service_app(
        ServiceDescription(name="serving", title="Serving", summary="For tests"),
        settings,
        registry=registry,
        dependencies=[],
        lifespan=lifespan,
        tracing=tracing,
    )

    _add_routes(app, registry)
    _add_gauges(app, registry)
    return app


def _add_routes(app: FastAPI, registry: CollectorRegistry) -> None:
    begun = Counter("begun", "Calls that have come", registry=registry)
    calls = Counter("calls", "Calls", registry=registry)
    sizes = Histogram("sizes", "Sizes", registry=registry, buckets=(1, 10))

    @app.get("/call")
    async def call(seconds: float = 0) -> int:
        begun.inc()
        await time_passes(seconds)
        calls.inc()
        sizes.observe(5)
        return os.getpid()

    @app.get("/work")
    def work(only: int) -> int:
        if os.getpid() == only:
            until = time.process_time() + 1
            while time.process_time() < until:
                pass
        return os.getpid()


def _add_gauges(app: FastAPI, registry: CollectorRegistry) -> None:
    worst = Gauge("worst", "The worst", registry=registry, multiprocess_mode="livemax")
    seen = Reading("seen", "What was seen", ["what"], registry=registry)

    @app.get("/worst")
    async def be(value: float, only: int) -> int:
        if os.getpid() == only:
            worst.set(value)
        return os.getpid()

    @app.get("/see")
    async def see(only: int, value: float | None = None) -> int:
        if os.getpid() != only:
            return os.getpid()
        if value is None:
            seen.remove("queue")
        else:
            seen.labels("queue").set(value)
        return os.getpid()


if __name__ == "__main__":
    serve(ServiceSettings, create_app, "serving")
