"""Webhooks of e-mail providers. They come through the gateway without a user's credentials: the signature proves them."""

import time
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from chassis.errors import NotFound, TooManyRequests, Unavailable
from chassis.http.envelope import Envelope, answer
from chassis.http.openapi.document import refusals
from email_service.webhooks.events import SignatureRefused, WebhookRequest
from email_service.webhooks.postmark import LoginRefused
from email_service.webhooks.receiving import WebhookReceiver

router = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"])

EXAMPLE = {
    "RecordType": "Delivery",
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
    "Recipient": "ada@example.com",
}


class WebhookView(BaseModel):
    """`events`: how many the request had, repeated and ignored ones too."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"events": 1}]})

    events: int


@router.post(
    "/{provider}",
    summary="Report events of an e-mail provider",
    response_model=Envelope[WebhookView],
    responses=refusals(NotFound, SignatureRefused, LoginRefused, TooManyRequests, Unavailable),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]},
                    "examples": {"delivery": {"value": EXAMPLE}},
                }
            },
        }
    },
)
async def report_provider_events(
    provider: Annotated[str, Path(description="`ses`, `sendgrid`, `mailgun` or `postmark`", examples=["postmark"])],
    request: Request,
) -> Response:
    """For e-mail providers. A request proves itself by its provider's signature (Postmark: by the password in its URL),
    whatever its Content-Type. A provider that is not configured does not exist. Repeated events change nothing."""
    receiver: WebhookReceiver = request.app.state.webhooks
    given = WebhookRequest(await request.body(), dict(request.headers), time.time())
    return answer({"events": await receiver.receive(provider, given)})
