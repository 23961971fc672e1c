"""Which Web Push endpoints are taken: they come from users, and a worker will send requests to them."""

import re
from collections.abc import Sequence

from chassis.errors import field_error

# Strict on purpose: no user name, no port but 443, no IP address in any spelling (the last label begins with a letter).
_ENDPOINT = re.compile(r"https://((?:[a-z0-9-]+\.)+[a-z][a-z0-9-]*)(?::443)?(/[!-~]*)", re.IGNORECASE)


def check_endpoint(endpoint: str, hosts: Sequence[str], *, field: str) -> None:
    """Raises a 422 about `field` unless `endpoint` is https on one of `hosts`, where `*.` stands for one or more labels."""
    match = _ENDPOINT.fullmatch(endpoint)
    if match is None or not any(_is_host(match[1].lower(), allowed.lower()) for allowed in hosts):
        raise field_error(f"{field}.endpoint", "must be an https address of a known push service")


def one_spelling(token: str) -> str:
    """An endpoint with its host in small letters and without its port, so that one browser is one device.

    What is no endpoint (an FCM token) stays as it is.
    """
    match = _ENDPOINT.fullmatch(token)
    return f"https://{match[1].lower()}{match[2]}" if match else token


def _is_host(host: str, allowed: str) -> bool:
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
