"""Looks host names up, and refuses addresses that are not on the public internet."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp import AddrInfoType, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

# IPv6 forms that contain an IPv4 address, which `is_global` does not look at (RFC 6052, 3056, 4380).
_TRANSLATED = ip_network("64:ff9b::/96")
# All that is assigned to hosts (IANA). `is_global` is also true of site-local addresses, of the NAT64 prefix for local use
# (RFC 8215), and of ::127.0.0.1.
_UNICAST = ip_network("2000::/3")


class NotPublic(OSError):
    """The name leads to an address inside a private network."""


def is_public(address: str) -> bool:
    """Whether `address` is on the public internet, and so is the IPv4 address in it."""
    found = ip_address(address.partition("%")[0])
    if not found.is_global or found.is_multicast:
        return False
    if isinstance(found, IPv4Address):
        return True
    inner = _inner(found)
    return found in _UNICAST if inner is None else is_public(str(inner))


def _inner(found: IPv6Address) -> IPv4Address | None:
    if found in _TRANSLATED:
        return IPv4Address(int(found) & 0xFFFFFFFF)
    return found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)


class PublicResolver(AbstractResolver):
    """Raises NotPublic for a name if any of its addresses is private: such a name is not a public service's.

    It looks up with `resolver`, which it closes; by default with aiohttp's.
    """

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(one["host"]) for one in found):
            raise NotPublic
        return found

    async def close(self) -> None:
        await self._resolver.close()


def public_connector(resolver: AbstractResolver) -> TCPConnector:
    """Connects to public addresses only, also when the URL has an address in place of a name.

    A name is looked up once for a connection, and the address that is connected to is the one that was checked: an answer
    of the name server that changes afterwards changes nothing.
    """
    return TCPConnector(
        resolver=PublicResolver(resolver), socket_factory=_public_socket, use_dns_cache=False, force_close=True
    )


def _public_socket(info: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, address = info
    if not is_public(str(address[0])):
        raise NotPublic
    return socket.socket(family, kind, protocol)
