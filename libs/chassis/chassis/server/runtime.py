"""The common parts of every service's composition root: registry, database, Redis, clients, periodic tasks, shutdown."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from redis.asyncio import Redis

from chassis.http.app import NO_LARGER_BODIES, ServiceApp, ServiceDescription, create_service_app
from chassis.http.client import ServiceClient
from chassis.http.health import Dependency
from chassis.observability.metrics import new_registry
from chassis.observability.tracing import OFF, Tracing
from chassis.postgres.database import Database
from chassis.process.breaker import BreakerPolicy, CircuitBreaker, monitored_breaker
from chassis.process.periodic import PeriodicTask, running
from chassis.redis.client import connect_redis
from chassis.security import ServiceTokens
from chassis.security.service_keys import ServiceKey
from chassis.settings import ServiceSettings


class Runtime:
    """Nothing connects before `lifespan` begins. At its end everything is closed in reverse order.

    A `redis` passed as an argument is not closed: its owner (tests, the embedded stack) closes it.
    """

    def __init__(
        self, database: Database, *, redis: Redis | None, redis_url: str, service_key: ServiceKey, tracing: Tracing
    ) -> None:
        self.registry = new_registry()
        self.database = database
        self.redis = redis or connect_redis(redis_url)
        self.tracing = tracing
        self.dependencies: list[Dependency] = []
        self._tokens = ServiceTokens(service_key)
        self._starts: list[Callable[[], Awaitable[None]]] = []
        self._stops: list[Callable[[], None]] = []
        self._closes: list[Callable[[], Awaitable[None]]] = [database.close]
        self._contexts: list[Callable[[], AbstractAsyncContextManager[None]]] = []
        self._tasks: list[PeriodicTask] = []
        if redis is None:
            self.close_with(self.redis.aclose)

    def breaker(self, name: str, policy: BreakerPolicy = BreakerPolicy()) -> CircuitBreaker:
        """A breaker that reports its state as a metric from the start."""
        return monitored_breaker(name, self.registry, policy)

    def client(
        self, service: str, url: str, *, traced: bool = True, breaker: CircuitBreaker | None = None
    ) -> ServiceClient:
        """A client of another service, with its own breaker. Periodic look-ups are not `traced`."""
        breaker = breaker or self.breaker(service)
        client = ServiceClient(url, service, self._tokens, breaker, self.tracing if traced else OFF)
        self.close_with(client.close)
        return client

    def depend_on(self, name: str, check: Callable[[], Awaitable[object]], *, essential: bool = False) -> None:
        """Adds a dependency to `/health`. If an `essential` one is down, the service is not ready."""
        self.dependencies.append(Dependency(name, check, essential=essential))

    def start_with(self, start: Callable[[], Awaitable[None]]) -> None:
        """Called in order at the start of the service, before the periodic tasks."""
        self._starts.append(start)

    def stop_with(self, stop: Callable[[], None]) -> None:
        """Called when the server begins to stop, while requests are in flight, so that it can answer waiting ones."""
        self._stops.append(stop)

    def run_inside(self, context: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        """Entered after the starts, left before anything is closed."""
        self._contexts.append(context)

    def close_with(self, close: Callable[[], Awaitable[None]]) -> None:
        """Called when the service stops, after the periodic tasks, in reverse order."""
        self._closes.append(close)

    def repeat(self, *tasks: PeriodicTask) -> None:
        """Repeats the tasks while the service runs."""
        self._tasks.extend(tasks)

    def create_app(
        self,
        description: ServiceDescription,
        settings: ServiceSettings,
        *,
        cors_origins: Sequence[str] = (),
        larger_bodies: Mapping[str, int] = NO_LARGER_BODIES,
    ) -> ServiceApp:
        """The app whose lifespan is this runtime's. See `chassis.http.app.create_service_app`."""
        app = create_service_app(
            description,
            settings,
            registry=self.registry,
            dependencies=self.dependencies,
            lifespan=self.lifespan,
            tracing=self.tracing,
            cors_origins=cors_origins,
            larger_bodies=larger_bodies,
        )
        app.state.stops = self._stops
        return app

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for close in self._closes:
                stack.push_async_callback(close)
            for start in self._starts:
                await start()
            for context in self._contexts:
                await stack.enter_async_context(context())
            async with running(self._tasks):
                yield
