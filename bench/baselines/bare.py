"""The bare endpoint: FastAPI, the gateway's own body and response models, an id, and nothing else."""

from datetime import UTC, datetime

from fastapi import FastAPI
from uuid_utils.compat import uuid7

from api_gateway.schemas.answers import Accepted
from api_gateway.schemas.requests import NotificationRequest
from bench.baselines.serving import serve
from chassis.http.envelope import Envelope
from contracts.status import Status

app = FastAPI()


@app.post("/api/v1/notifications/", status_code=202)
async def accept(asked: NotificationRequest) -> Envelope[Accepted]:  # noqa: ARG001 - it is read and checked, and that is all
    data = Accepted(notification_id=uuid7(), status=Status.PENDING, created_at=datetime.now(UTC))
    return Envelope(success=True, message="Notification queued successfully", data=data, error=None, meta=None)


if __name__ == "__main__":
    serve(app)
