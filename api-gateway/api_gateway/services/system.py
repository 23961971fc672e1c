"""The state of all services: each is asked at the same time, with one short deadline."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import BaseModel, ValidationError

from api_gateway.schemas.system import ServiceHealthView, SystemView
from chassis.errors import DependencyUnavailable
from chassis.http.client import ServiceClient
from chassis.http.health import DependencyState, Health, HealthBoard, verdict

DEADLINE_SECONDS = 3.0  # a service waits 2 s for its own dependencies


class _State(BaseModel):
    """`version` is missing in answers of an earlier release."""

    version: str | None = None
    uptime_seconds: float
    dependencies: dict[str, DependencyState]


class _HealthAnswer(BaseModel):
    status: Health
    data: _State


class SystemReader:
    """`own` is this process's health; `services` are the clients of the other services."""

    def __init__(
        self, own: HealthBoard, services: Mapping[str, ServiceClient], *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._own = own
        self._services = services
        self._deadline_seconds = deadline_seconds

    async def read(self) -> SystemView:
        asked = (self._ask(name, client) for name, client in self._services.items())
        found = await asyncio.gather(self._read_own(), *asked)
        return SystemView(checked_at=datetime.now(UTC), services=found)

    async def _read_own(self) -> ServiceHealthView:
        began = time.perf_counter()
        findings = await self._own.findings()
        return ServiceHealthView(
            service=self._own.service,
            status=verdict(findings).value,
            version=self._own.version,
            uptime_seconds=self._own.uptime_seconds,
            latency_ms=_milliseconds_since(began),
            dependencies={one.name: DependencyState.model_validate(one.as_json()) for one in findings},
        )

    async def _ask(self, name: str, client: ServiceClient) -> ServiceHealthView:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._deadline_seconds):
                answer = _HealthAnswer.model_validate_json(await client.health())
        except (DependencyUnavailable, TimeoutError, ValidationError):
            return ServiceHealthView(
                service=name, status="unreachable", version=None, uptime_seconds=None, latency_ms=None, dependencies={}
            )
        return ServiceHealthView(
            service=name,
            status=answer.status.value,
            version=answer.data.version,
            uptime_seconds=answer.data.uptime_seconds,
            latency_ms=_milliseconds_since(began),
            dependencies=answer.data.dependencies,
        )


def _milliseconds_since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 2)
