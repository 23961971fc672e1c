"""docker-compose.yml and its two companions as data, and what each service's settings class reads."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from api_gateway.settings import GatewaySettings
from chassis.settings import ServiceSettings
from console.settings import ConsoleSettings
from email_service.settings import EmailSettings
from push_service.settings import PushSettings
from template_service.settings import TemplateSettings
from user_service.settings import UserSettings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS: dict[str, type[ServiceSettings]] = {
    "api-gateway": GatewaySettings,
    "user-service": UserSettings,
    "template-service": TemplateSettings,
    "email-worker": EmailSettings,
    "push-worker": PushSettings,
}
# Those with a database, and the console, which has none.
EVERY: dict[str, type[ServiceSettings]] = {**SETTINGS, "console": ConsoleSettings}
FOLDERS = {name: name.replace("-worker", "-service") for name in EVERY}
# Read by the OpenTelemetry SDK, not by a settings class.
READ_BY_LIBRARIES = {
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
}


def variables(service: str) -> set[str]:
    """The environment variables that the service's settings class reads."""
    return {name.upper() for name in EVERY[service].model_fields}


@cache
def services(*names: str) -> dict[str, dict[str, Any]]:
    """The services of the named files, later files over earlier ones as compose merges mappings and single values."""
    merged: dict[str, dict[str, Any]] = {}
    for name in names:
        for service, body in yaml.safe_load((ROOT / name).read_text())["services"].items():
            before = merged.setdefault(service, {})
            environment = {**before.get("environment", {}), **body.get("environment", {})}
            merged[service] = {**before, **body, "environment": environment}
    return merged


def base() -> dict[str, dict[str, Any]]:
    return services("docker-compose.yml")


def production() -> dict[str, dict[str, Any]]:
    return services("docker-compose.prod.yml")
