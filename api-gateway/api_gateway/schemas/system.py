"""Answer of the system's state, for administrators."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from chassis.http.health import DATABASE, DependencyState

SERVICE: JsonDict = {
    "service": "user-service",
    "status": "healthy",
    "version": "0.1.0",
    "uptime_seconds": 3600.5,
    "latency_ms": 4.2,
    "dependencies": {"database": DATABASE},
}


class ServiceHealthView(BaseModel):
    """The state of one process of a service. `unreachable`: it did not answer in time, and nothing else of it is known."""

    model_config = ConfigDict(json_schema_extra={"examples": [SERVICE]})

    service: str
    status: Literal["healthy", "degraded", "unhealthy", "unreachable"]
    version: str | None
    uptime_seconds: float | None
    latency_ms: float | None
    dependencies: dict[str, DependencyState]


class SystemView(BaseModel):
    """All services. Where a service has several processes, one of them answered."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"checked_at": "2026-01-01T12:00:00Z", "services": [SERVICE]}]}
    )

    checked_at: datetime
    services: list[ServiceHealthView]
