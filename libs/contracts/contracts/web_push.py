"""Which addresses may be endpoints of Web Push subscriptions (RFC 8030).

Endpoints come from users, and a worker sends requests to them. So the user service checks them when it stores one, and the
push worker checks them again when it sends.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode

from chassis.fields import listed
from chassis.server_urls import ServiceUrl
from chassis.settings import ServiceSettings

PUSH_HOSTS = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.services.mozilla.com",
    "*.notify.windows.com",
    "web.push.apple.com",
)
# Strict on purpose: no user name, no port except 443, no IP address in any form (the last label begins with a letter).
_ENDPOINT = re.compile(r"https://((?:[a-z0-9-]+\.)+[a-z][a-z0-9-]*)(?::443)?(/[!-~]*)", re.IGNORECASE)
SIMULATED_PATH = "/web-push/"
_SIMULATED = re.compile(r"[A-Za-z0-9_.~-]{1,200}")


@dataclass(frozen=True, slots=True)
class PushServices:
    """The push services that may be called. In `hosts`, `*.` stands for one or more labels.

    `simulator_url` is the address of the simulated push service, which development alone has.
    """

    hosts: Sequence[str] = PUSH_HOSTS
    simulator_url: str | None = None

    def has(self, endpoint: str) -> bool:
        """Whether `endpoint` is https on one of the hosts, or belongs to the simulator."""
        match = _ENDPOINT.fullmatch(endpoint)
        if match is not None:
            return any(_is_host(match[1].lower(), allowed.lower()) for allowed in self.hosts)
        return self._is_simulated(endpoint)

    def _is_simulated(self, endpoint: str) -> bool:
        if self.simulator_url is None:
            return False
        begin = self.simulator_url.rstrip("/") + SIMULATED_PATH
        return endpoint.startswith(begin) and _SIMULATED.fullmatch(endpoint.removeprefix(begin)) is not None


def one_spelling(token: str) -> str:
    """An endpoint with its host in lower case and without its port, so that one browser is one device.

    Every other token is returned unchanged.
    """
    match = _ENDPOINT.fullmatch(token)
    return f"https://{match[1].lower()}{match[2]}" if match else token


def _is_host(host: str, allowed: str) -> bool:
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed


def public_key(text: str) -> str:
    """Returns `text` if it is an uncompressed P-256 point in base64url (RFC 8291, 2.1). Raises ValueError."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(text, 65))
    except ValueError:
        raise ValueError("must be a P-256 public key in base64url") from None
    return text


def decoded(text: str, length: int) -> bytes:
    """The bytes of a base64url text, with or without padding. Raises ValueError unless there are `length`."""
    bare = text.rstrip("=")
    try:
        found = base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        found = b""
    if len(found) != length:
        raise ValueError(f"must be {length} bytes in base64url")
    return found


class WebPushSettings(ServiceSettings):
    """The settings of the services that store endpoints or send to them."""

    web_push_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)] = Field(
        default=PUSH_HOSTS, description="Allowed hosts of Web Push endpoints; `*.` stands for one or more labels"
    )
    web_push_simulator_url: ServiceUrl | None = Field(
        default=None,
        description="Base URL of the simulated push service, whose endpoints are then allowed. Not in production",
    )

    @property
    def push_services(self) -> PushServices:
        return PushServices(self.web_push_hosts, self.web_push_simulator_url)

    @model_validator(mode="after")
    def _no_simulator_in_production(self) -> Self:
        if self.production and self.web_push_simulator_url is not None:
            raise ValueError(
                "WEB_PUSH_SIMULATOR_URL is for development: its endpoints may be plain http to any address"
            )
        return self
