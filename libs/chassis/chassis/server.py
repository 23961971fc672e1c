"""Running a service as a process of its own: `python -m <service>`."""

import sys
from collections.abc import Callable
from typing import TypeVar

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from chassis.logs import configure_logs
from chassis.settings import ServiceSettings

Settings = TypeVar("Settings", bound=ServiceSettings)


def load_settings(kind: type[Settings]) -> Settings:
    """The settings from the environment; ends the process with status 2 and one clear line a problem, values unsaid."""
    try:
        return kind()
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = ".".join(str(step) for step in problem["loc"]).upper() or "settings"
            sys.stderr.write(f"{kind.__name__}: {name}: {problem['msg']}\n")
        raise SystemExit(2) from None


def serve(kind: type[Settings], create_app: Callable[[Settings], FastAPI], service: str) -> None:
    """Serves until SIGTERM or SIGINT, then lets the requests in flight end."""
    settings = load_settings(kind)
    configure_logs(level=settings.log_level, form=settings.log_format, service=service)
    uvicorn.run(create_app(settings), **uvicorn_options(settings))


def uvicorn_options(settings: ServiceSettings) -> dict[str, object]:
    return {
        "host": settings.host,
        "port": settings.port,
        "log_config": None,
        "access_log": False,
        "timeout_graceful_shutdown": 20,
        "server_header": False,
    }
