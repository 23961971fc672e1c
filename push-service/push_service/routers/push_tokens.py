"""`/internal/push-tokens`: whether a device can be reached, before it is registered. Only the user service may ask."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from chassis.http.envelope import answer
from chassis.security import calling_service
from contracts.push_tokens import PushTokenFinding, PushTokenQuestion
from contracts.services import USER_SERVICE
from push_service.senders.fcm.validation import TokenValidator

router = APIRouter(
    prefix="/internal/push-tokens", include_in_schema=False, dependencies=[Depends(calling_service(USER_SERVICE))]
)


@router.post("/validate")
async def validate(question: PushTokenQuestion, request: Request) -> Response:
    """`contracts.push_tokens.PushTokenFinding`, within a few seconds."""
    validator: TokenValidator = request.app.state.token_validator
    return answer(PushTokenFinding(verdict=await validator.verdict(question.token)))
