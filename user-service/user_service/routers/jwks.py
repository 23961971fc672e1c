"""`/.well-known/jwks.json`: the public keys of access tokens as defined in RFC 7517, without the envelope."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from chassis.errors import Unavailable
from chassis.http.openapi.document import refusals
from user_service.dependencies import Services
from user_service.schemas.fields import shown

router = APIRouter(tags=["auth"])
KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    "kid": "5f1d2c3b4a596877",
    "alg": "ES256",
    "use": "sig",
}


class PublicKey(BaseModel):
    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    kid: str
    alg: Literal["ES256"]
    use: Literal["sig"]


class KeySet(BaseModel):
    """Empty when tokens are signed with a shared secret (ALGORITHM=HS256)."""

    model_config = shown({"keys": [KEY]})

    keys: list[PublicKey]


@router.get(
    "/.well-known/jwks.json",
    operation_id="get_key_set",
    response_model=KeySet,
    summary="Public keys of access tokens",
    responses=refusals(Unavailable),
)
async def key_set(services: Services) -> Response:
    """A JWK Set (RFC 7517), without the envelope."""
    document = await services.signing_keys.document()
    return Response(document, media_type="application/json", headers={"Cache-Control": "public, max-age=300"})
