"""The forms of device tokens and browsers' subscriptions, checked when they are given. (For endpoints see
`contracts.web_push`.)

A wrong token would be noticed only when the first notification fails. The most frequent mistake is a token of another
provider, so the error says how such a token is given.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from contracts.recipients import APNS_TOKEN
from contracts.users import PushTokenText
from contracts.web_push import decoded, public_key

# FCM documents no form. Its tokens are base64url with colons; other characters of URLs are allowed in case that changes.
FCM_TOKEN = r"[A-Za-z0-9_:.=%~-]+"  # noqa: S105 - its form
_FCM = re.compile(FCM_TOKEN)
_APNS = re.compile(APNS_TOKEN)
FCM_IN_AN_OBJECT = "an FCM registration token is given as text, without an object"
APNS_CHARACTERS = 64  # 32 bytes, the length of all tokens so far


def fcm_token(text: str) -> str:
    """Returns `text` if it may be a registration token of FCM. Raises ValueError."""
    if text.startswith("https://"):
        raise ValueError(
            "is a Web Push endpoint: give the browser's whole subscription, an object with endpoint and keys"
        )
    if len(text) == APNS_CHARACTERS and _APNS.fullmatch(text.lower()):
        raise ValueError("is a device token of APNs: give an object with provider (apns) and token")
    if _FCM.fullmatch(text) is None:
        raise ValueError("must be an FCM registration token, of letters, digits and - _ : . = % ~")
    return text


def apns_token(text: str) -> str:
    """Returns `text` if it may be a device token of APNs in lower case. Raises ValueError."""
    if _APNS.fullmatch(text) is None:
        raise ValueError("must be a device token of APNs: 64 to 200 hex digits")
    return text


FcmToken = Annotated[PushTokenText, AfterValidator(fcm_token), Field(json_schema_extra={"pattern": f"^{FCM_TOKEN}$"})]
ApnsToken = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True),
    AfterValidator(apns_token),
    Field(json_schema_extra={"pattern": "^([0-9a-fA-F]{2}){32,100}$"}),
]
# How an environment is described wherever a token of APNs is given.
APNS_ENVIRONMENT = (
    "`sandbox` for apps that Xcode installed, `production` for apps from the App Store and TestFlight. Omitted: the "
    "deployment's APNS_ENVIRONMENT, which is production unless it was changed"
)


def _auth_secret(text: str) -> str:
    decoded(text, 16)
    return text


SUBSCRIPTION: JsonDict = {
    "endpoint": "https://fcm.googleapis.com/fcm/send/d61c5u920dw",
    "keys": {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    },
}


class SubscriptionKeys(BaseModel):
    """RFC 8291: the browser's public key and shared secret, base64url."""

    p256dh: Annotated[str, Field(max_length=100), AfterValidator(public_key)]
    auth: Annotated[str, Field(max_length=30), AfterValidator(_auth_secret)]


class WebPushSubscription(BaseModel):
    """The result of `PushSubscription.toJSON()` in a browser."""

    model_config = ConfigDict(json_schema_extra={"examples": [SUBSCRIPTION]})

    endpoint: PushTokenText
    keys: SubscriptionKeys
