"""The public internet, and everything else."""

import socket

import pytest

from chassis.http.public_addresses import NotPublic, PublicResolver, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "224.0.0.1", "64:ff9b:1::7f00:1", "::127.0.0.1", "fec0::1", "240.0.0.1", "2001:db8::1",
    ],
)  # fmt: skip
def test_a_private_address_is_known_in_every_form(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_a_public_address_is_one(address: str) -> None:
    assert is_public(address)


async def test_one_private_address_among_public_ones_is_enough(monkeypatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 443)) for host in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    resolver = PublicResolver()
    with pytest.raises(NotPublic):
        await resolver.resolve("push.example", 443)
    await resolver.close()
