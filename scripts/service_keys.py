"""The keys by which services know each other (SERVICE_PRIVATE_KEY, SERVICE_PUBLIC_KEYS); needs nothing but Python.

`python3 scripts/service_keys.py SERVICE...` prints a fresh private key for each, and the public keys that all of them get.
"""

import base64
import hashlib
import secrets
import sys

# Ed25519 (RFC 8032, 5.1): the curve's prime, its constant and base point, as x, y.
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
BASE = (
    15112221349535400772501151409588531511454012693041857206046113283949847762202,
    46316835694926478169428394003475163141307993866256225615783033603165251855960,
)
Point = tuple[int, int]


def fresh_private_key() -> str:
    return secrets.token_urlsafe(32)


def public_key_of(private: str) -> str:
    """Both in base64url without padding. Raises ValueError when `private` is not 32 bytes."""
    seed = base64.urlsafe_b64decode(f"{private}=")
    if len(seed) != 32:
        raise ValueError("a private key has 32 bytes in base64url: 43 characters")
    scalar = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    x, y = _times(scalar & (2**254 - 8) | 2**254, BASE)
    return base64.urlsafe_b64encode((y | (x & 1) << 255).to_bytes(32, "little")).rstrip(b"=").decode()


def _times(scalar: int, point: Point) -> Point:
    total = (0, 1)
    for bit in f"{scalar:b}":
        total = _sum(total, total)
        if bit == "1":
            total = _sum(total, point)
    return total


def _sum(one: Point, other: Point) -> Point:
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P)
    return x % P, y % P


def main(services: list[str]) -> int:
    if not services:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    keys = {service: fresh_private_key() for service in services}
    for service, private in keys.items():
        print(f"{service} SERVICE_PRIVATE_KEY={private}")
    print("SERVICE_PUBLIC_KEYS=" + ",".join(f"{service}:{public_key_of(key)}" for service, key in keys.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
