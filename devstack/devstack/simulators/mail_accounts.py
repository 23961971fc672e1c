"""Accounts at simulated e-mail providers: what signs their webhooks, each in the provider's own way."""

import base64
import datetime as dt
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from secrets import token_hex
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

Event = Mapping[str, object]


@dataclass(frozen=True)
class Posted:
    """A provider's request, with the names of headers in lower case."""

    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class SendGridAccount:
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def shown_key(self) -> str:
        public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(public).decode()

    def posts(self, *events: Event, at: float | None = None) -> Posted:
        return self.signs(json.dumps(events).encode(), str(int(time.time() if at is None else at)))

    def signs(self, body: bytes, timestamp: str) -> Posted:
        signature = self.key.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
        name = "x-twilio-email-event-webhook"
        return Posted(body, {f"{name}-signature": base64.b64encode(signature).decode(), f"{name}-timestamp": timestamp})


@dataclass(frozen=True)
class MailgunAccount:
    key: str = field(default_factory=lambda: token_hex(16))

    def posts(self, data: Event, *, at: float | None = None, token: str | None = None) -> Posted:
        signature = self.signature(str(int(time.time() if at is None else at)), token or token_hex(25))
        return Posted(json.dumps({"signature": signature, "event-data": data}).encode(), {})

    def signature(self, timestamp: str, token: str) -> dict[str, str]:
        signed = hmac.new(self.key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
        return {"timestamp": timestamp, "token": token, "signature": signed}


@dataclass(frozen=True)
class PostmarkServer:
    password: str = field(default_factory=lambda: token_hex(16))

    def posts(self, event: Event) -> Posted:
        return Posted(json.dumps(event).encode(), {"authorization": self.login(self.password)})

    @staticmethod
    def login(password: str) -> str:
        return f"Basic {base64.b64encode(f'postmark:{password}'.encode()).decode()}"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2_048)


_key_of_amazon = cache(new_key)  # one for all topics: it takes long to make


@dataclass(frozen=True)
class SnsTopic:
    """A topic of Amazon SNS, whose certificate is at `certificate_url`."""

    region: str = "eu-west-1"
    key: rsa.RSAPrivateKey = field(default_factory=_key_of_amazon)
    name: str = field(default_factory=lambda: token_hex(16))

    @property
    def arn(self) -> str:
        return f"arn:aws:sns:{self.region}:123456789012:bounces"

    @property
    def host(self) -> str:
        return f"sns.{self.region}.amazonaws.com"

    @property
    def certificate_url(self) -> str:
        return f"https://{self.host}/SimpleNotificationService-{self.name}.pem"

    def certificate(self, *, days: int = 30) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
        begins, ends = (now - day, now + days * day) if days > 0 else (now + days * day - day, now + days * day)
        builder = x509.CertificateBuilder(name, name, self.key.public_key(), x509.random_serial_number(), begins, ends)
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)

    def posts(self, event: Event, **changes: str) -> Posted:
        return self.signs({"Type": "Notification", "Message": json.dumps(event), **changes})

    def asks_to_confirm(self, **changes: str) -> Posted:
        url = f"https://{self.host}/?Action=ConfirmSubscription&TopicArn={self.arn}&Token=2336412f37"
        given = {"Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe", "Token": "2336412f37"}
        return self.signs({**given, "SubscribeURL": url, **changes})

    def signs(self, fields: Mapping[str, str], *, version: str = "2") -> Posted:
        """All fields are signed in the order of their names, which is Amazon's, except those about the signature."""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        whole = {"MessageId": str(uuid4()), "TopicArn": self.arn, "Timestamp": now, **fields}
        text = "".join(f"{name}\n{whole[name]}\n" for name in sorted(whole))
        algorithm = SHA1() if version == "1" else SHA256()  # noqa: S303 - as topics do by default
        signature = base64.b64encode(self.key.sign(text.encode(), PKCS1v15(), algorithm)).decode()
        about = {"SignatureVersion": version, "Signature": signature, "SigningCertURL": self.certificate_url}
        return Posted(json.dumps({**whole, **about}).encode(), {"x-amz-sns-message-type": whole["Type"]})


@dataclass(frozen=True)
class MailAccounts:
    """Whose webhooks the simulated provider can send beside Postmark's. Those of SES are for tests only: a service fetches
    Amazon's certificate from Amazon.
    """

    sendgrid: SendGridAccount | None = None
    mailgun: MailgunAccount | None = None
    ses: SnsTopic | None = None

    @classmethod
    def of_secret(cls, secret: bytes) -> "MailAccounts":
        """Always the same ones of one secret. Any number below 2^255 except 0 is a private key of the curve."""
        first, second = (hmac.digest(secret, name, hashlib.sha256) for name in (b"sendgrid", b"mailgun"))
        key = ec.derive_private_key(int.from_bytes(first) >> 1 | 1, ec.SECP256R1())
        return cls(SendGridAccount(key), MailgunAccount(second.hex()))
