"""`/api/v1/unsubscribe/{token}`: the links in e-mails (RFC 8058). They need no login: who has the mail may unsubscribe.

A GET changes nothing, because scanners of mails open every link.
"""

from html import escape

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from chassis.audit import Stranger
from contracts.services import EMAIL_SERVICE
from contracts.unsubscribing import UNSUBSCRIBE_PATH, InvalidToken, Unsubscription, read_token
from user_service.dependencies import Services, UserServices

router = APIRouter(prefix=UNSUBSCRIBE_PATH, include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{title}</title>
<style>body {{ font: 1.1rem/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 32rem; padding: 0 1rem; }}
button {{ font: inherit; padding: .5rem 1.5rem; }}</style></head>
<body><h1>{title}</h1>{body}</body></html>
"""
_QUESTION = """<p>You will get no more e-mails of the kind \u201c{purpose}\u201d.</p>
<form method="post"><button>Unsubscribe</button></form>"""
_DONE = "<p>You get no more e-mails of the kind \u201c{purpose}\u201d.</p>"
_INVALID = "<p>It may have been cut off. Open it from the e-mail again.</p>"


@router.get("/{token}")
async def ask(token: str, services: Services) -> HTMLResponse:
    wanted = _wanted(token, services)
    if wanted is None:
        return _page("This link is not valid", _INVALID, status=404)
    return _page("Unsubscribe?", _QUESTION.format(purpose=escape(wanted.purpose)))


@router.post("/{token}")
async def unsubscribe(token: str, services: Services, actor: Stranger) -> HTMLResponse:
    """From the page's button, or from a mailbox provider with the body `List-Unsubscribe=One-Click`. May be repeated."""
    wanted = _wanted(token, services)
    if wanted is None:
        return _page("This link is not valid", _INVALID, status=404)
    await services.users.unsubscribe(wanted, actor)
    return _page("You are unsubscribed", _DONE.format(purpose=escape(wanted.purpose)))


def _wanted(token: str, services: UserServices) -> Unsubscription | None:
    owners = services.settings.service_public_keys.items()
    try:
        return read_token(token, [key for key, service in owners if service == EMAIL_SERVICE])
    except InvalidToken:
        return None


def _page(title: str, body: str, *, status: int = 200) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(title=title, body=body), status_code=status, headers={"Cache-Control": "no-store"})
