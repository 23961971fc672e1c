"""`/health`, also as `/api/v1/health`, `/health/live`, `/health/readiness`: the state of a service and its dependencies."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict
from starlette.responses import Response

from chassis.http.envelope import JsonResponse

CHECK_SECONDS = 2.0  # a check that takes longer counts as failed
# Results are reused for this long: a flood of probes does not reach the database. A bad result is reused for a shorter time,
# because a dependency that is down may be up a moment later, e.g. during a start.
FRESH_SECONDS, FRESH_SECONDS_DOWN = 1.0, 0.1


class Health(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Dependency:
    """A dependency of a service. `check` raises if it is down.

    If an `essential` dependency is down, the service is unhealthy. If another one is down, the service is degraded.
    """

    name: str
    check: Callable[[], Awaitable[object]]
    essential: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    up: bool
    essential: bool
    latency_ms: float
    error: str | None

    def as_json(self) -> dict[str, object]:
        return {
            "status": "up" if self.up else "down",
            "essential": self.essential,
            "latency_ms": self.latency_ms,
            "error": self.error,
        }


class HealthBoard:
    """Checks all dependencies at the same time, with a deadline, and caches the findings for a moment."""

    def __init__(self, service: str, dependencies: list[Dependency], version: str = "") -> None:
        self.service = service
        self.version = version
        self._dependencies = dependencies
        self._began = time.monotonic()
        self._findings: list[Finding] = []
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def findings(self) -> list[Finding]:
        async with self._asking:
            fresh = FRESH_SECONDS if all(finding.up for finding in self._findings) else FRESH_SECONDS_DOWN
            if time.monotonic() - self._asked_at > fresh:
                self._findings = await asyncio.gather(*(_find(dependency) for dependency in self._dependencies))
                self._asked_at = time.monotonic()
        return self._findings

    @property
    def uptime_seconds(self) -> float:
        return round(time.monotonic() - self._began, 1)


def verdict(findings: list[Finding]) -> Health:
    if any(not finding.up and finding.essential for finding in findings):
        return Health.UNHEALTHY
    return Health.HEALTHY if all(finding.up for finding in findings) else Health.DEGRADED


async def _find(dependency: Dependency) -> Finding:
    began = time.perf_counter()
    error = None
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await dependency.check()
    except Exception as failure:  # noqa: BLE001 - every error means "down"; raising would hide the other findings
        error = type(failure).__name__
    return Finding(
        dependency.name, error is None, dependency.essential, round((time.perf_counter() - began) * 1000, 2), error
    )


class DependencyState(BaseModel):
    """One dependency. `error` is the kind of failure, or null while it is up."""

    status: Literal["up", "down"]
    essential: bool
    latency_ms: float
    error: str | None


DATABASE: JsonDict = {"status": "up", "essential": True, "latency_ms": 0.8, "error": None}


class ServiceState(BaseModel):
    """The service and its dependencies, by name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "service": "api-gateway",
                    "version": "0.1.0",
                    "uptime_seconds": 17.5,
                    "dependencies": {"database": DATABASE},
                }
            ]
        }
    )

    service: str
    version: str
    uptime_seconds: float
    dependencies: dict[str, DependencyState]


class HealthAnswer(BaseModel):
    """The envelope with an additional `status`, which probes and people read."""

    status: Literal[Health.HEALTHY, Health.DEGRADED]
    success: Literal[True]
    message: str
    data: ServiceState
    error: None
    meta: None


class UnhealthyAnswer(HealthAnswer):
    """An essential dependency is down."""

    status: Literal[Health.UNHEALTHY]  # type: ignore[assignment]
    success: Literal[False]  # type: ignore[assignment]
    error: Literal["unhealthy"]  # type: ignore[assignment]


router = APIRouter(tags=["health"])
UNHEALTHY: dict[int | str, dict[str, object]] = {
    503: {"model": UnhealthyAnswer, "description": "An essential dependency is down"}
}


@router.get(
    "/health",
    operation_id="get_health",
    summary="State of the service and of each dependency",
    response_model=HealthAnswer,
    responses=UNHEALTHY,
)
@router.get(
    "/api/v1/health",
    operation_id="get_api_health",
    summary="State of the service and of each dependency",
    response_model=HealthAnswer,
    responses=UNHEALTHY,
)
async def health(request: Request) -> Response:
    """200 while the service can work, even with restrictions (`degraded`). 503 if it cannot."""
    board: HealthBoard = request.app.state.health
    findings = await board.findings()
    return _report(board, verdict(findings), findings)


@router.get("/health/live", operation_id="get_liveness", summary="Is the process alive", response_model=HealthAnswer)
async def live(request: Request) -> Response:
    """200 while the process answers, whatever the state of its dependencies."""
    return _report(request.app.state.health, Health.HEALTHY, [])


@router.get(
    "/health/readiness",
    operation_id="get_readiness",
    summary="Can it take requests",
    response_model=HealthAnswer,
    responses=UNHEALTHY,
)
async def readiness(request: Request) -> Response:
    """503 if an essential dependency is down, so that a load balancer sends requests elsewhere."""
    board: HealthBoard = request.app.state.health
    findings = [finding for finding in await board.findings() if finding.essential]
    return _report(board, verdict(findings), findings)


def _report(board: HealthBoard, state: Health, findings: list[Finding]) -> Response:
    well = state is not Health.UNHEALTHY
    return JsonResponse(
        {
            "status": state,
            "success": well,
            "message": f"{board.service} is {state}",
            "data": {
                "service": board.service,
                "version": board.version,
                "uptime_seconds": board.uptime_seconds,
                "dependencies": {finding.name: finding.as_json() for finding in findings},
            },
            "error": None if well else "unhealthy",
            "meta": None,
        },
        status_code=200 if well else 503,
    )
