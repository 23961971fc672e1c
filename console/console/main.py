"""The composition root."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from chassis.http.app import ServiceDescription, create_service_app
from chassis.http.health import Dependency
from chassis.observability.metrics import new_registry
from chassis.observability.tracing import OFF, Tracing
from console.dependencies import Console
from console.error_pages import install_pages_for_errors
from console.gateway import ClientAddress, Gateway
from console.headers import PageHeaders
from console.pages import STATIC, Pages
from console.routers import (
    applications,
    audit,
    editing,
    failed,
    holds,
    keys,
    login,
    notifications,
    overview,
    personal_data,
    suppressions,
    system,
    templates,
    user_actions,
    users,
    versions,
)
from console.services.standing import StandingHoldsCache
from console.sessions import SessionCookie
from console.settings import CONSOLE, ConsoleSettings

DESCRIPTION = ServiceDescription(
    name=CONSOLE, title="Console", summary="Pages for people. Programs use the gateway's API."
)


class Assets(StaticFiles):
    """Their addresses have their fingerprints, so browsers keep them for as long as they like."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def create_app(
    settings: ConsoleSettings, *, tracing: Tracing = OFF, transport: httpx2.AsyncBaseTransport | None = None
) -> FastAPI:
    """Nothing connects before the first request. `transport` stands for the network in tests."""
    gateway, standing = Gateway(settings.api_gateway_url, transport=transport), StandingHoldsCache()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await standing.close()
        await gateway.close()

    app = create_service_app(
        DESCRIPTION,
        settings.model_copy(update={"docs_enabled": False}),  # there is no API to show, and `/` is a page
        registry=new_registry(),
        # Not essential: without the gateway the console still says so, in a page.
        dependencies=[Dependency("api-gateway", gateway.ping)],
        lifespan=lifespan,
        tracing=tracing,
        larger_bodies={suppressions.IMPORT: suppressions.MAX_IMPORT_BYTES + suppressions.FORM_BYTES},
    )
    app.state.console = Console(Pages(), SessionCookie(settings), gateway, settings.shown_url, standing)
    app.add_middleware(PageHeaders)
    app.add_middleware(ClientAddress)
    app.mount("/static", Assets(directory=STATIC))
    for module in (
        login, overview, notifications, users, personal_data, user_actions, failed, templates, editing, versions,
        holds, suppressions, keys, applications, audit, system,
    ):  # fmt: skip
        app.include_router(module.router, include_in_schema=False)
    install_pages_for_errors(app)
    return app
