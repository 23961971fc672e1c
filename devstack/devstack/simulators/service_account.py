"""The Google-style service account that a push sender needs: made here, trusted by the simulator alone."""

import json
import os
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

PROJECT_ID = "simulated-project"


@dataclass(frozen=True)
class ServiceAccount:
    """The fields of Google's key file that a JWT-bearer grant needs, under Google's names."""

    project_id: str
    private_key_id: str
    private_key: str
    client_email: str
    token_uri: str
    type: str = "service_account"

    @cached_property
    def public_key(self) -> RSAPublicKey:
        return _load(self.private_key).public_key()


def make_service_account(base_url: str, *, private_key: str | None = None) -> ServiceAccount:
    """An account whose `token_uri` is the simulator at `base_url`, with a new RSA key unless a PEM is given."""
    key = _load(private_key) if private_key else generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return ServiceAccount(
        project_id=PROJECT_ID,
        private_key_id=sha256(public).hexdigest()[:40],
        private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        client_email=f"push@{PROJECT_ID}.iam.gserviceaccount.com",
        token_uri=f"{base_url.rstrip('/')}/token",
    )


def write_service_account(path: Path, base_url: str) -> ServiceAccount:
    """The account kept at `path`, for this address.

    Its key is made on first use and survives restarts; only the file's owner may read it.
    """
    known = json.loads(path.read_text())["private_key"] if path.exists() else None
    account = make_service_account(base_url, private_key=known)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)  # left by a crash, perhaps with another mode
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(account), file, indent=2)
    draft.replace(path)
    return account


def _load(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("a service account signs with RSA")
    return key
