import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from chassis.security import SharedSecret, SigningKey, VerificationKey, generate_es256_key, public_jwk


def pem(private, encryption=None):
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


@pytest.mark.parametrize("secret", ["", "x" * 31, "é" * 15])
def test_a_short_secret_is_refused_when_it_is_configured(secret):
    with pytest.raises(ValueError, match="32 bytes"):
        SharedSecret(secret)


def test_a_pem_is_never_a_shared_secret():
    public = generate_es256_key().jose_key.public_key().to_pem().decode()
    with pytest.raises(ValueError, match="PEM"):
        SharedSecret(public)


async def test_a_shared_secret_gives_its_key_for_its_algorithm_and_its_kid_only(secret):
    source = SharedSecret(secret)
    assert (await source.find("shared", "HS256")).algorithm == "HS256"
    assert await source.find("shared", "ES256") is None
    assert await source.find("other", "HS256") is None


@pytest.mark.parametrize(
    "private",
    [
        "not a key",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 2048)),
        pem(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"unknown")),
    ],
    ids=["junk", "P-384", "RSA", "encrypted"],
)
def test_es256_takes_p256_keys_only(private):
    with pytest.raises(ValueError):  # noqa: PT011 - the first message is cryptography's own
        SigningKey("k", "ES256", private)


def test_the_public_half_holds_nothing_private():
    key = generate_es256_key()
    assert set(public_jwk(key)) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert public_jwk(key)["kid"] == key.kid


def test_a_shared_secret_has_no_public_half(secret):
    with pytest.raises(ValueError, match="no public half"):
        public_jwk(SharedSecret(secret).signing_key)


def test_keys_do_not_show_themselves(secret):
    key, shared = generate_es256_key(), SharedSecret(secret)
    shown = repr(key) + repr(shared.signing_key) + repr(shared.verification_key)
    assert secret not in shown
    assert "PRIVATE" not in shown


def test_generated_keys_differ():
    one, other = generate_es256_key(), generate_es256_key()
    assert one.kid != other.kid
    assert one.private != other.private


def test_a_library_error_while_verifying_is_a_bad_signature():
    class Broken:
        def verify(self, message, signature):
            raise TypeError("python-jose lets this through")

    assert VerificationKey("HS256", Broken()).verifies(b"", b"") is False
