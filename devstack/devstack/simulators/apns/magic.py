"""Device tokens that belong to the sandbox, or make the simulated APNs refuse or fail. Tokens are hex, so the environment and
the answer's status are spelled in them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ApnsEnvironment = Literal["production", "sandbox"]


@dataclass(frozen=True)
class Refuse:
    status: int
    reason: str


@dataclass(frozen=True)
class Break:
    """What happens to the connection. `swallow`: taken, and the connection ends without an answer."""

    how: Literal["go-away", "go-away-after", "refuse-stream", "reset-stream", "swallow"]


@dataclass(frozen=True)
class Late:
    """Taken, and the answer comes `seconds` late."""

    seconds: int


REFUSALS: Mapping[str, Refuse] = {
    "e4000": Refuse(400, "BadDeviceToken"),
    "e4001": Refuse(400, "DeviceTokenNotForTopic"),
    "e4002": Refuse(400, "BadCollapseId"),
    "e4003": Refuse(400, "TopicDisallowed"),
    "e4004": Refuse(400, "IdleTimeout"),
    "e4005": Refuse(400, "BadTopic"),
    "e4006": Refuse(400, "MissingTopic"),
    "e4030": Refuse(403, "ExpiredProviderToken"),
    "e4031": Refuse(403, "InvalidProviderToken"),
    "e4032": Refuse(403, "BadEnvironmentKeyInToken"),
    "e4040": Refuse(404, "BadPath"),
    "e4050": Refuse(405, "MethodNotAllowed"),
    "e4080": Refuse(408, ""),
    "e4100": Refuse(410, "Unregistered"),
    "e4101": Refuse(410, "ExpiredToken"),
    "e4130": Refuse(413, "PayloadTooLarge"),
    "e4180": Refuse(418, ""),
    "e4290": Refuse(429, "TooManyRequests"),
    "e4291": Refuse(429, "TooManyProviderTokenUpdates"),
    "e5000": Refuse(500, "InternalServerError"),
    "e5020": Refuse(502, ""),
    "e5030": Refuse(503, "ServiceUnavailable"),
    "e5031": Refuse(503, "Shutdown"),
    "e3070": Refuse(307, ""),
    "e2000": Refuse(200, ""),
}
BREAKS: Mapping[str, Break] = {
    "f0010": Break("go-away"),
    "f0020": Break("go-away-after"),
    "f0030": Break("refuse-stream"),
    "f0040": Break("reset-stream"),
    "f0050": Break("swallow"),
}
LATE = "f0060"
SANDBOX = "deb06"  # debug
APNS_TABLE: Mapping[str, str] = {
    "deb06…": "a device of the sandbox: production does not know it. The words below may follow",
    "e4100NN…": "410 Unregistered",
    "e4000NN…": "400 BadDeviceToken",
    "e4290NN…": "429 TooManyRequests",
    "e5030NN…": "503 ServiceUnavailable",
    "eSSSVNN…": "every other status SSS that Apple documents; V numbers its reasons",
    "f0010NN…": "GOAWAY, and the request was not looked at",
    "f0020NN…": "GOAWAY, and then the answer",
    "f0030NN…": "the stream is refused",
    "f0040NN…": "the stream is reset",
    "f0050NN…": "taken, and the connection ends without an answer",
    "f0060NN…": "taken, and the answer comes NN seconds late",
}
_TOKEN = re.compile(r"([ef]\d{4})(\d\d)")


def environment_of(token: str) -> ApnsEnvironment:
    """The only environment that knows the token."""
    return "sandbox" if token.startswith(SANDBOX) else "production"


def apns_magic(token: str) -> tuple[Refuse | Break | Late | None, int | None]:
    """The fault, and how many times it occurs; None: always. NN is 00 for always."""
    found = _TOKEN.match(token.removeprefix(SANDBOX))
    if found is None:
        return None, None
    word, times = found[1], int(found[2])
    if word == LATE:
        return Late(times), None
    return REFUSALS.get(word) or BREAKS.get(word), times or None
