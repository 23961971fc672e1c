"""Only the holder of the secret can seal a value; it is valid for one name and a limited time."""

import pytest

from chassis.redis.client import Seal


@pytest.fixture
def seal(clock):
    return Seal("s" * 32, "things", clock=clock)


def test_what_was_sealed_opens_under_its_name_until_its_time(seal, clock):
    sealed = seal.close("a", b"value", seconds=60)
    assert seal.open("a", sealed) == b"value"
    assert seal.open("b", sealed) is None
    clock.advance(61)
    assert seal.open("a", sealed) is None


def test_nothing_else_opens(seal, clock):
    sealed = seal.close("a", b"value", seconds=60)
    changed = [sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :] for place in range(len(sealed))]
    others = [Seal(secret, purpose, clock=clock) for secret, purpose in (("t" * 32, "things"), ("s" * 32, "keys"))]
    for forged in [
        *changed,
        *(other.close("a", b"value", seconds=60) for other in others),
        b"",
        b"x" * 40,
        b'{"a": 1}',
    ]:
        assert seal.open("a", forged) is None
