"""The team that the simulated APNs knows: its key, its ids, its app; and the check of its tokens."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jose import jwt
from jose.exceptions import JOSEError

KEY_ID, TEAM_ID, TOPIC = "SIMULATED1", "SIMULATORS", "com.example.app"
MAX_AGE = 3600


@dataclass(frozen=True)
class Team:
    """`path` is the .p8 file. The key is created at the first use."""

    path: Path
    public_pem: str

    @classmethod
    def kept_in(cls, path: Path) -> "Team":
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            made = ec.generate_private_key(ec.SECP256R1())
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key = load_pem_private_key(path.read_bytes(), password=None)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return cls(path, public.decode())

    def refusal(self, authorization: str) -> str:
        """Apple's reason why the token is not accepted, "" if it is."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return "MissingProviderToken"
        try:
            header, claims = jwt.get_unverified_header(token), jwt.decode(token, self.public_pem, algorithms=["ES256"])
        except (JOSEError, TypeError):
            return "InvalidProviderToken"
        if header.get("kid") != KEY_ID or claims.get("iss") != TEAM_ID or not isinstance(claims.get("iat"), int):
            return "InvalidProviderToken"
        return "ExpiredProviderToken" if time.time() - claims["iat"] > MAX_AGE else ""
