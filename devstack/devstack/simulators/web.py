"""The HTTP side of the simulators: FCM's surface, the inbox page and its JSON, in one application."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from devstack.simulators import pages
from devstack.simulators.api import faults_router, messages_router
from devstack.simulators.fcm import FcmSimulator
from devstack.simulators.store import Inbox
from devstack.simulators.views import page_router

_STATIC = Path(pages.__file__).parent / "static"


def create_simulator_app(inbox: Inbox, fcm: FcmSimulator, *, gateway_url: str) -> FastAPI:
    """`gateway_url` is where the page tells people to send. The switches are those of `fcm`: share them with SMTP."""
    # No /docs: its assets come from the network, and all of this works offline.
    app = FastAPI(title="Provider simulators", docs_url=None, redoc_url=None)
    app.router.routes.extend(fcm.routes)
    app.include_router(messages_router(inbox))
    app.include_router(faults_router(fcm.faults))
    app.include_router(page_router(inbox, gateway_url))
    app.mount("/static", StaticFiles(directory=_STATIC))

    @app.get("/health")
    async def health() -> Mapping[str, object]:
        return {"status": "healthy", "emails": inbox.emails.total, "pushes": inbox.pushes.total}

    return app
