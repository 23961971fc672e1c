"""Writes and checks the committed OpenAPI documents of all services: `python -m devstack.openapi write|check`.

The gateway's document contains the routes that it forwards. No service imports another, so the gateway reads them from a
file in its package, which this module creates from the other services' documents.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakeredis import FakeAsyncRedis
from fastapi import FastAPI

import api_gateway.main
import email_service.worker
import push_service.worker
import template_service.main
import user_service.main
from api_gateway.routers import proxy
from api_gateway.settings import GatewaySettings
from chassis.broker import MemoryBroker
from chassis.http.openapi.merging import only
from chassis.server.commands import plain_end
from chassis.settings import Settings, read_settings
from contracts.topology import TOPOLOGY
from devstack.stack import ROOT
from email_service.settings import EmailSettings
from push_service.settings import PushSettings
from template_service.settings import TemplateSettings
from user_service.settings import UserSettings


def apps() -> dict[str, FastAPI]:
    """Every service's app, built but not started: nothing connects. Raises WrongSettings."""
    redis, broker = FakeAsyncRedis(), MemoryBroker(TOPOLOGY)
    return {
        "api-gateway": api_gateway.main.create_app(_settings(GatewaySettings), redis=redis, broker=broker),
        "user-service": user_service.main.create_app(_settings(UserSettings), redis=redis),
        "template-service": template_service.main.create_app(_settings(TemplateSettings), redis=redis),
        "email-service": email_service.worker.create_app(_settings(EmailSettings), redis=redis, broker=broker),
        "push-service": push_service.worker.create_app(_settings(PushSettings), redis=redis, broker=broker),
    }


def _settings(kind: type[Settings]) -> Settings:
    return read_settings(kind, _env_file=None)


def file_of(service: str) -> Path:
    return ROOT / service / "openapi.json"


def forwarded(services: Mapping[str, FastAPI]) -> dict[str, Any]:
    """For each service behind the gateway, the part of its document that the gateway forwards."""
    return {
        owner: only(services[owner].openapi(), [f"{proxy.router.prefix}/{name}" for name in owned])
        for owner, owned in proxy.OWNED.items()
    }


class Files:
    """Writes documents, or finds those that differ."""

    def __init__(self, *, write: bool) -> None:
        self._write = write
        self.stale: list[Path] = []

    def put(self, file: Path, document: Mapping[str, Any], *, sort: bool = True) -> None:
        text = json.dumps(document, indent=2, sort_keys=sort, ensure_ascii=False) + "\n"
        if self._write:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            self.stale.append(file)


def main(task: str) -> int:
    services, files = apps(), Files(write=task == "write")
    # First, because the gateway's own document uses it. Not sorted: /docs shows fields in this order.
    files.put(api_gateway.main.FORWARDED, forwarded(services), sort=False)
    for service, app in services.items():
        files.put(file_of(service), app.openapi())
    for file in files.stale:
        print(f"{file.relative_to(ROOT)} differs from the code: run `make schemas`", file=sys.stderr)
    return 1 if files.stale else 0


if __name__ == "__main__":
    with plain_end():
        raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else "check"))
