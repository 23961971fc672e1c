"""The keys that mails are signed with, as DKIM_KEYS lists them."""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)
from pydantic import AfterValidator, SecretStr

MINIMUM_RSA_BITS = (
    2_048  # RFC 8301 asks for at least 1,024 and recommends 2,048; large mailbox providers want the latter
)
QUICK_RSA_BITS = 2_048  # takes 0.3 ms; 3,072 bits take 1.0 ms, 4,096 take 1.5 ms
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_BASE64 = re.compile(r"M[A-Za-z0-9+/]+={0,2}")  # DER of a private key begins with the byte 0x30
_PEM = "-----BEGIN"
Private = RSAPrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A private key, and where its public half is published: `<selector>._domainkey.<domain>`."""

    domain: str
    selector: str
    private: Private = field(repr=False)

    @property
    def algorithm(self) -> str:
        """The value of the signature's `a=`."""
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    @property
    def is_slow(self) -> bool:
        """A signature takes so long that it must not hold up the event loop."""
        return isinstance(self.private, RSAPrivateKey) and self.private.key_size > QUICK_RSA_BITS

    @property
    def record_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The TXT record to publish: the public key as SubjectPublicKeyInfo; of Ed25519 its 32 bytes (RFC 8463, 4)."""
        public = self.private.public_key()
        if isinstance(self.private, RSAPrivateKey):
            return f"v=DKIM1; k=rsa; p={_text(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))}"
        return f"v=DKIM1; k=ed25519; p={_text(public.public_bytes(Encoding.Raw, PublicFormat.Raw))}"

    def sign(self, data: bytes) -> bytes:
        """The signature over `data`. Of Ed25519 it is made over the hash (RFC 8463, section 3)."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(data, PKCS1v15(), SHA256())
        return self.private.sign(sha256(data).digest())


class DkimKeys:
    """The keys of a deployment. Of each domain, the first RSA key and the first Ed25519 key sign; later ones are only
    published, so that a key can be in the DNS before it signs, and after it did.
    """

    def __init__(self, keys: Sequence[DkimKey] = ()) -> None:
        self.all = tuple(keys)
        self._signing: dict[str, dict[str, DkimKey]] = {}
        for key in keys:
            self._signing.setdefault(key.domain, {}).setdefault(key.algorithm, key)

    @classmethod
    def parse(cls, text: str) -> "DkimKeys":
        """Parses `domain:selector:path or key`, separated by commas. Raises ValueError, without the values of keys."""
        found = DkimKeys([_parsed(number, entry.strip()) for number, entry in _entries(text)])
        names = [key.record_name for key in found.all]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"has a selector twice: {', '.join(sorted(twice))}")
        if alone := [domain for domain, keys in found._signing.items() if "rsa-sha256" not in keys]:
            raise ValueError(
                f"takes an Ed25519 key beside an RSA key only, as many servers cannot check it: {', '.join(alone)}"
            )
        return found

    def signing_for(self, domain: str) -> tuple[DkimKey, ...]:
        """The keys that sign for this domain of a From header: its own, or those of the nearest domain above it.

        Empty if there are none.
        """
        labels = domain.lower().split(".")
        for above in range(len(labels)):
            if keys := self._signing.get(".".join(labels[above:])):
                return tuple(keys.values())
        return ()


def _entries(text: str) -> Iterator[tuple[int, str]]:
    return enumerate((entry for entry in text.split(",") if entry.strip()), start=1)


def _parsed(number: int, entry: str) -> DkimKey:
    domain, _, rest = entry.partition(":")
    selector, _, given = rest.partition(":")
    domain, selector, given = domain.strip().lower(), selector.strip().lower(), given.strip()
    if not (_NAME.fullmatch(domain) and "." in domain and _NAME.fullmatch(selector) and given):
        raise ValueError(f"takes domain:selector:key with commas between them; entry {number} is not so")
    key = DkimKey(domain, selector, _private(f"{domain}:{selector}", given))
    if isinstance(key.private, RSAPrivateKey) and key.private.key_size < MINIMUM_RSA_BITS:
        raise ValueError(
            f"takes RSA keys of at least {MINIMUM_RSA_BITS} bits: {domain}:{selector} has {key.private.key_size}"
        )
    return key


def _private(name: str, given: str) -> Private:
    try:
        if given.startswith(_PEM):
            key = load_pem_private_key(given.replace("\\n", "\n").encode(), None)
        elif _BASE64.fullmatch(given):
            key = load_der_private_key(base64.b64decode(given, validate=True), None)
        else:
            key = load_pem_private_key(Path(given).read_bytes(), None)
    except OSError as error:
        raise ValueError(f"names a file that cannot be read: {name}: {error.strerror}") from None
    except TypeError:
        raise ValueError(f"has a key with a passphrase, which cannot be used: {name}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"has a key that cannot be read: {name}") from None
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError(f"takes RSA and Ed25519 keys: {name} is neither")  # noqa: TRY004 - a setting's value
    return key


def _text(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).decode()


def _validated(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        DkimKeys.parse(value.get_secret_value())
    return value


DkimKeysText = Annotated[SecretStr | None, AfterValidator(_validated)]  # the type of the setting
