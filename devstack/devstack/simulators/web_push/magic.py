"""Endpoints that make the simulated push service refuse or fail: how the name of the browser begins."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from devstack.simulators.magic import BreakOff, Stall


@dataclass(frozen=True)
class Refuse:
    """`times` None means always; after that many refusals the message is accepted."""

    status: int
    times: int | None = None
    body: Mapping[str, object] | str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Accept:
    """With another status than 201."""

    status: int


WebPushMagic = Refuse | Accept | BreakOff | Stall

WEB_PUSH_TABLE: Mapping[str, str] = {
    "gone…": "410, the subscription has ended",
    "missing…": "404, there never was one",
    "malformed…": "400",
    "too-large…": "413",
    "foreign-key…": "403, subscribed with another VAPID key, in Google's words",
    "foreign-key-mozilla…": "401, the same in Mozilla's",
    "foreign-key-apple…": "400, the same in Apple's",
    "account-N…": "403 BadJwtToken, our VAPID signature, N times, then taken",
    "unauthorized-N…": "401, the same without a reason",
    "quota-N…": "429 with Retry-After: 1, N times, then taken",
    "throttled-N…": "406, Microsoft's quota, N times, then taken",
    "slow-N…": "408, N times, then taken",
    "error-N…": "500, N times, then taken",
    "unavailable-N…": "503 with Retry-After: 1, N times, then taken",
    "bad-gateway-N…": "502, N times, then taken",
    "receipt…": "202, taken",
    "portal…": "200, as something in between would answer",
    "moved…": "307 to another address",
    "teapot…": "418",
    "drop-N…": "taken, but the connection dies in the middle of the answer, N times",
    "stall-N…": "taken, and the answer comes N seconds late",
}

GOOGLE = (
    "the VAPID credentials in the authorization header do not correspond to the credentials used to create the "
    "subscriptions.\n"
)
MOZILLA = {"code": 401, "errno": 109, "error": "Unauthorized", "message": "VAPID public key mismatch"}
GONE = {"code": 410, "errno": 106, "error": "Gone", "message": "No such subscription"}
SOON = {"Retry-After": "1"}
_ALWAYS: Mapping[str, WebPushMagic] = {
    "gone": Refuse(410, body=GONE),
    "missing": Refuse(404),
    "malformed": Refuse(400, body={"code": 400, "errno": 110, "error": "Bad Request"}),
    "too-large": Refuse(413),
    "foreign-key-mozilla": Refuse(401, body=MOZILLA),
    "foreign-key-apple": Refuse(400, body={"reason": "VapidPkHashMismatch"}),
    "foreign-key": Refuse(403, body=GOOGLE),
    "moved": Refuse(307, headers={"Location": "/health"}),
    "teapot": Refuse(418),
    "receipt": Accept(202),
    "portal": Accept(200),
}
_COUNTED: Mapping[str, tuple[int, Mapping[str, object] | str, Mapping[str, str]]] = {
    "account": (403, {"reason": "BadJwtToken"}, {}),
    "unauthorized": (401, "", {}),
    "quota": (429, "", SOON),
    "throttled": (406, "", {}),
    "slow": (408, "", {}),
    "error": (500, "", {}),
    "unavailable": (503, "", SOON),
    "bad-gateway": (502, "", {}),
}
_NAME = re.compile(f"({'|'.join(_ALWAYS)})|({'|'.join(_COUNTED)}|drop|stall)-(\\d{{1,3}})")


def web_push_magic(name: str) -> WebPushMagic | None:
    found = _NAME.match(name)
    if found is None:
        return None
    always, counted, number = found.groups()
    if always:
        return _ALWAYS[always]
    if counted == "drop":
        return BreakOff(int(number))
    if counted == "stall":
        return Stall(int(number))
    status, body, headers = _COUNTED[counted]
    return Refuse(status, int(number), body, headers)
