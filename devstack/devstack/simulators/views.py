"""The inbox page, and the pages that it links to."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse

from devstack.simulators.messages import ReceivedEmail
from devstack.simulators.pages.email import FRAME_POLICY, View, render_email
from devstack.simulators.pages.layout import Kind, Page, render
from devstack.simulators.pages.listing import Listing, render_listing, render_welcome
from devstack.simulators.pages.push import render_push
from devstack.simulators.shown import Device
from devstack.simulators.store import Inbox

# Everything comes from this server.
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; "
    "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def page_router(inbox: Inbox, gateway_url: str) -> APIRouter:
    router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)

    @router.get("/")
    async def browse(
        kind: Kind = "email", recipient: str = "", before: Annotated[int | None, Query()] = None
    ) -> HTMLResponse:
        listing = render_listing(Listing(kind, recipient.strip(), before), inbox)
        return _page(Page("Inbox", kind, listing, render_welcome(kind, inbox, gateway_url)), inbox)

    @router.get("/emails/{message_id}")
    async def read_email(message_id: int, view: View | None = None) -> HTMLResponse:
        email = _email(inbox, message_id)
        listing = render_listing(Listing("email", selected=email.id), inbox)
        reading = render_email(email, view or ("html" if email.html else "text"))
        return _page(Page(email.subject or "E-mail", "email", listing, reading, "reading"), inbox)

    @router.get("/emails/{message_id}/html")
    async def email_frame(message_id: int) -> HTMLResponse:
        return HTMLResponse(_email(inbox, message_id).html, headers=_headers(FRAME_POLICY))

    @router.get("/pushes/{message_id}")
    async def read_push(message_id: int, device: Device | None = None) -> HTMLResponse:
        push = inbox.pushes.get(message_id)
        if push is None:
            raise HTTPException(404, "No such message")
        listing = render_listing(Listing("push", selected=push.id), inbox)
        reading = render_push(push, device)
        return _page(Page(push.title or "Push message", "push", listing, reading, "reading"), inbox)

    return router


def _email(inbox: Inbox, message_id: int) -> ReceivedEmail:
    email = inbox.emails.get(message_id)
    if email is None:
        raise HTTPException(404, "No such message")
    return email


def _page(page: Page, inbox: Inbox) -> HTMLResponse:
    return HTMLResponse(render(page, inbox), headers=_headers(_PAGE_POLICY))


def _headers(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
