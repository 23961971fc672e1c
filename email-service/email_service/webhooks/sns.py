"""Amazon SNS: the signature of its messages, and the confirmation of a subscription.

Whoever can post here can name any address as that of the certificate or of the confirmation. Only addresses of SNS in the
region of a configured topic are fetched, by HTTPS, without redirects; a name of Amazon's that led elsewhere would fail the
check of the server's certificate. Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import base64
import binascii
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import structlog
from aiohttp import ClientError, ClientTimeout, TCPConnector
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from chassis.errors import Unavailable
from chassis.http.client import plain_session
from chassis.process.ttl_memory import TtlMemory
from chassis.redis.rate_limit import LocalRateLimiter, Quota
from email_service.webhooks.events import SignatureRefused, WebhookRequest

log = structlog.get_logger()

TOPIC = re.compile(
    r"arn:aws(?P<china>-cn)?(?:-us-gov)?:sns:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):\d{12}:[\w.-]{1,256}", re.ASCII
)
CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9a-f]{32}\.pem")
HASHES: Mapping[str, HashAlgorithm] = {"1": SHA1(), "2": SHA256()}  # noqa: S303 - topics sign with version 1 by default
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED: Mapping[str, Sequence[str]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
TIMEOUT_SECONDS = 5.0
MAX_FETCHED = 65_536  # bytes
CERTIFICATES, KEPT_SECONDS = 20, 86_400.0
FETCHES = Quota(limit=30, period_seconds=60)  # a stranger's messages must not make this service a client of Amazon's


@dataclass(frozen=True, slots=True)
class SnsMessage:
    """Its text fields, by Amazon's names."""

    fields: Mapping[str, str]

    @property
    def type(self) -> str:
        return self.fields.get("Type", "")

    @property
    def signed(self) -> bytes:
        names = [name for name in SIGNED[self.type] if name in self.fields]
        return "".join(f"{name}\n{self.fields[name]}\n" for name in names).encode()

    @property
    def signed_at(self) -> float:
        return datetime.fromisoformat(self.fields["Timestamp"]).timestamp()


class SnsVerifier:
    """`topics`: the ARNs whose messages are taken. `connector` makes the connections to Amazon."""

    def __init__(
        self, topics: Collection[str], *, connector: Callable[[], TCPConnector] = lambda: TCPConnector(limit=1)
    ) -> None:
        self._hosts = {topic: host_of(topic) for topic in topics}
        self._connector = connector
        self._keys: TtlMemory[str, RSAPublicKey] = TtlMemory(CERTIFICATES, KEPT_SECONDS)
        self._fetches = LocalRateLimiter(FETCHES)

    async def check(self, message: SnsMessage, request: WebhookRequest) -> None:
        """Raises SignatureRefused, or Unavailable if the certificate cannot be fetched now."""
        host = self._hosts.get(message.fields.get("TopicArn", ""))
        if host is None or message.type not in SIGNED:
            raise SignatureRefused
        url = message.fields.get("SigningCertURL", "")
        if not _is_at(url, host) or CERTIFICATE.fullmatch(urlsplit(url).path) is None:
            raise SignatureRefused
        try:
            request.check_age(message.signed_at)
            signature = base64.b64decode(message.fields["Signature"], validate=True)
            algorithm = HASHES[message.fields["SignatureVersion"]]
        except (KeyError, ValueError, OverflowError):
            raise SignatureRefused from None
        key = await self._key_at(url, request.now)
        try:
            key.verify(signature, message.signed, PKCS1v15(), algorithm)
        except InvalidSignature:
            raise SignatureRefused from None

    async def confirm(self, message: SnsMessage) -> None:
        """Confirms the subscription of a checked message. Raises SignatureRefused, Unavailable."""
        url, topic = message.fields.get("SubscribeURL", ""), message.fields["TopicArn"]
        asked = parse_qs(urlsplit(url).query)
        if not _is_at(url, self._hosts[topic]) or asked.get("Action") != ["ConfirmSubscription"]:
            raise SignatureRefused
        await self._fetch(url)
        log.info("webhook.subscribed", topic=topic)

    async def _key_at(self, url: str, now: float) -> RSAPublicKey:
        known = self._keys.get(url, None)
        if known is not None:
            return known
        key = _key_of(await self._fetch(url), now)
        self._keys.put(url, key)
        return key

    async def _fetch(self, url: str) -> bytes:
        if not self._fetches.check("").allowed:
            raise Unavailable
        content = bytearray()
        try:
            async with (
                plain_session(self._connector(), ClientTimeout(total=TIMEOUT_SECONDS)) as session,
                session.get(url, allow_redirects=False) as answer,
            ):
                status = answer.status
                while len(content) < MAX_FETCHED and (piece := await answer.content.read(MAX_FETCHED)):
                    content += piece
        except (ClientError, OSError) as error:  # TimeoutError is an OSError
            log.warning("webhook.not_fetched", error=type(error).__name__)
            raise Unavailable from error
        if status != 200:
            log.warning("webhook.not_fetched", status=status)
            raise Unavailable
        return bytes(content)


def host_of(topic: str) -> str:
    """The host of SNS in the topic's region. Raises ValueError if it is no topic's ARN."""
    found = TOPIC.fullmatch(topic)
    if found is None:
        raise ValueError("is no ARN of a topic, such as arn:aws:sns:eu-west-1:123456789012:bounces")
    return f"sns.{found['region']}.amazonaws.com" + (".cn" if found["china"] else "")


def _is_at(url: str, host: str) -> bool:
    """Whether the URL is exactly of this host: no other scheme, port or user, nothing that clients read differently."""
    if not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return False
    return url.startswith(f"https://{host}/")


def _key_of(certificate: bytes, now: float) -> RSAPublicKey:
    try:
        found = x509.load_pem_x509_certificate(certificate)
    except (ValueError, binascii.Error):
        raise SignatureRefused from None
    key, moment = found.public_key(), datetime.fromtimestamp(now, UTC)
    if not isinstance(key, RSAPublicKey) or not found.not_valid_before_utc <= moment <= found.not_valid_after_utc:
        raise SignatureRefused
    return key
