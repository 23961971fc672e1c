"""Looks host names up, and refuses addresses that are not on the public internet."""

import socket
from ipaddress import IPv6Address, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

# IPv6 forms that contain an IPv4 address, which `is_global` does not look at (RFC 6052, 3056, 4380).
_TRANSLATED = ip_network("64:ff9b::/96")


class NotPublic(OSError):
    """The name leads to an address inside a private network."""


def is_public(address: str) -> bool:
    """Whether `address` is on the public internet, and so is the IPv4 address in it."""
    found = ip_address(address.partition("%")[0])
    if not found.is_global or found.is_multicast:
        return False
    return not isinstance(found, IPv6Address) or _inner_is_public(found)


def _inner_is_public(found: IPv6Address) -> bool:
    inner = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
    if inner is None and found in _TRANSLATED:
        return is_public(str(ip_address(int(found) & 0xFFFFFFFF)))
    return inner is None or is_public(str(inner))


class PublicResolver(AbstractResolver):
    """Raises NotPublic for a name if any of its addresses is private: such a name is not a push service's."""

    def __init__(self) -> None:
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(one["host"]) for one in found):
            raise NotPublic
        return found

    async def close(self) -> None:
        await self._resolver.close()
