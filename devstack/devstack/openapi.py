"""The OpenAPI documents of all services as committed files: `python -m devstack.openapi write|check`."""

import json
import sys
from pathlib import Path

from fakeredis import FakeAsyncRedis
from fastapi import FastAPI

import api_gateway.main
import email_service.worker
import push_service.worker
import template_service.main
import user_service.main
from api_gateway.settings import GatewaySettings
from chassis.broker import MemoryBroker
from contracts.topology import TOPOLOGY
from devstack.stack import ROOT
from email_service.settings import EmailSettings
from push_service.settings import PushSettings
from template_service.settings import TemplateSettings
from user_service.settings import UserSettings


def apps() -> dict[str, FastAPI]:
    """Every service's app, built but never started: nothing connects."""
    redis, broker = FakeAsyncRedis(), MemoryBroker(TOPOLOGY)
    return {
        "api-gateway": api_gateway.main.create_app(GatewaySettings(_env_file=None), redis=redis, broker=broker),
        "user-service": user_service.main.create_app(UserSettings(_env_file=None), redis=redis),
        "template-service": template_service.main.create_app(TemplateSettings(_env_file=None), redis=redis),
        "email-service": email_service.worker.create_app(EmailSettings(_env_file=None), redis=redis, broker=broker),
        "push-service": push_service.worker.create_app(PushSettings(_env_file=None), redis=redis, broker=broker),
    }


def file_of(service: str) -> Path:
    return ROOT / service / "openapi.json"


def main(task: str) -> int:
    stale = []
    for service, app in apps().items():
        text = json.dumps(app.openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        if task == "write":
            file_of(service).write_text(text)
        elif not file_of(service).exists() or file_of(service).read_text() != text:
            stale.append(str(file_of(service).relative_to(ROOT)))
    for name in stale:
        print(f"{name} differs from the code: run `make schemas`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else "check"))
