"""What stops the start, and in which words."""

import json
from dataclasses import asdict
from pathlib import Path
from secrets import token_urlsafe

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import ValidationError
from structlog.testing import capture_logs

from chassis.security.service_keys import ServiceKey
from devstack.simulators.oauth import make_service_account
from push_service.senders.fcm.sender import FcmSender
from push_service.senders.sender import Unconfigured
from push_service.settings import ApnsEndpoints, PushSettings
from push_service.worker import create_apns_senders, create_app, create_fcm_sender, create_web_push_sender

ACCOUNT = make_service_account("https://oauth2.example")
PUBLIC_PEM = ACCOUNT.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ELLIPTIC_PEM = (
    ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
)
KEY = ServiceKey("push-service", token_urlsafe(32))
PRODUCTION = {
    "environment": "production",
    "service_private_key": KEY.private,
    "service_public_keys": {KEY.public: KEY.service},
    "metrics_token": token_urlsafe(32),
    "database_url": "postgresql://service:of-the-database@db.example/service",
    "rabbitmq_url": "amqp://service:of-the-broker@mq.example/",
}


def key_file(**other: object) -> str:
    return json.dumps(asdict(ACCOUNT) | other)


def settings(**given: object) -> PushSettings:
    return PushSettings(_env_file=None, **given)


def problem(**given: object) -> str:
    with pytest.raises(ValidationError) as caught:
        settings(**given)
    [error] = caught.value.errors(include_input=False)
    return error["msg"]


def test_development_starts_without_an_account_and_says_so() -> None:
    with capture_logs() as logs:
        assert isinstance(create_fcm_sender(settings()), Unconfigured)
        assert isinstance(create_web_push_sender(settings()), Unconfigured)
        senders = create_apns_senders(settings())
        assert senders.keys() == {"apns", "apns_sandbox"}
        assert all(isinstance(sender, Unconfigured) for sender in senders.values())
    assert [line["event"] for line in logs] == ["fcm.not_configured", "web_push.not_configured", "apns.not_configured"]


def test_production_names_the_variable_it_lacks() -> None:
    assert "FCM_SERVICE_ACCOUNT_FILE" in problem(**PRODUCTION)


async def test_an_account_may_come_as_a_file_or_as_text(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(key_file())
    for given in ({"fcm_service_account_file": path}, {"fcm_service_account_json": key_file()}):
        sender = create_fcm_sender(settings(**PRODUCTION, **given))
        assert isinstance(sender, FcmSender)
        assert sender.send_url == "https://fcm.googleapis.com/v1/projects/simulated-project/messages:send"
        await sender.close()


def test_empty_variables_count_as_unset() -> None:
    assert settings(fcm_service_account_file="", fcm_service_account_json="", fcm_api_key="").service_account is None


def test_one_of_two_accounts_would_be_a_guess(tmp_path: Path) -> None:
    assert "not both" in problem(fcm_service_account_file=tmp_path, fcm_service_account_json=key_file())


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("not json, but secret", "its JSON"),
        ("[]", "its JSON"),
        (key_file(type="authorized_user"), "type"),
        (key_file(private_key="secret"), "private_key"),
        (key_file(private_key=PUBLIC_PEM), "private_key"),
        (key_file(private_key=ELLIPTIC_PEM), "private_key"),
        (key_file(project_id="../secret"), "project_id"),
        (json.dumps({"type": "service_account"}), "client_email, private_key, project_id, token_uri"),
        (key_file(token_uri="file:///secret"), "URL"),
        (key_file(token_uri="https://user:secret@oauth2.example/token"), "URL"),
    ],
)
def test_a_key_that_cannot_be_used_stops_the_start_and_is_not_quoted(text: str, named: str) -> None:
    message = problem(fcm_service_account_json=text)
    assert "FCM_SERVICE_ACCOUNT_JSON" in message
    assert named in message
    assert "secret" not in message


def test_a_key_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    message = problem(fcm_service_account_file=tmp_path / "missing.json")
    assert "FCM_SERVICE_ACCOUNT_FILE cannot be read" in message


def test_keys_are_not_in_the_settings_text() -> None:
    text = repr(settings(fcm_service_account_json=key_file(), fcm_api_key="legacy-secret"))
    assert "PRIVATE KEY" not in text
    assert "legacy-secret" not in text


def test_access_tokens_never_travel_in_the_clear() -> None:
    plain = key_file(token_uri="http://oauth2.example/token")
    assert "token_uri must be https" in problem(fcm_service_account_json=plain)
    distant = "http://simulator.example"
    assert "FCM_BASE_URL must be https" in problem(fcm_base_url=distant, fcm_service_account_json=plain, **PRODUCTION)
    here = "http://127.0.0.1:8025"
    assert "token_uri must be https" in problem(fcm_base_url=here, fcm_service_account_json=plain, **PRODUCTION)


@pytest.mark.parametrize(
    ("environment", "base_url"),
    [("development", "http://simulators:8025"), ("production", "http://127.0.0.1:8025/")],
)
def test_a_simulator_may_be_spoken_to_in_the_clear(environment: str, base_url: str) -> None:
    account = key_file(token_uri="http://127.0.0.1:8025/token")
    given = PRODUCTION | {"environment": environment}
    made = settings(**given, fcm_base_url=base_url, fcm_service_account_json=account)
    assert made.fcm_base_url == base_url.rstrip("/")


@pytest.mark.parametrize(
    "url", ["fcm.googleapis.com", "ftp://fcm.example", "https://a:b@fcm.example", "https://x/?a=b"]
)
def test_fcms_address_is_a_plain_one(url: str) -> None:
    assert "no http(s) URL" in problem(fcm_base_url=url)


def test_the_legacy_key_is_noticed_and_not_used() -> None:
    with capture_logs() as logs:
        assert isinstance(create_fcm_sender(settings(fcm_api_key="legacy-secret")), Unconfigured)
    [line] = [line for line in logs if line["event"] == "fcm.legacy_key_ignored"]
    assert "FCM_SERVICE_ACCOUNT_FILE" in line["hint"]
    assert "legacy-secret" not in str(logs)


def test_google_is_given_the_ten_seconds_it_asks_for() -> None:
    assert settings().fcm_timeout_seconds >= 10


SUBJECT = {"vapid_subject": "mailto:push@example.com"}
RAW_KEY = "yWTOgGZHvUMQBNWhznHixP1gfN5DO963dSFJ-BU-3yk"
RAW_KEYS_PUBLIC = "BLJGjuA6HfDdsVdwgcwC3cdo0ykjQ7C2hI5UGj0qnt0Nq4jk_p7b_TyoAcnHJL4aKaQkawESw1eNJ7mayYC13Es"


@pytest.mark.parametrize("text", [RAW_KEY, RAW_KEY + "=", f"{RAW_KEY}\n"])
def test_a_vapid_key_may_be_the_32_bytes_that_generators_print(text: str) -> None:
    assert settings(vapid_private_key=text, **SUBJECT).vapid_key.public == RAW_KEYS_PUBLIC


def test_a_vapid_key_may_be_a_pem_file(tmp_path: Path) -> None:
    path = tmp_path / "vapid.pem"
    path.write_text(ELLIPTIC_PEM)
    by_file = settings(vapid_private_key_file=path, **SUBJECT).vapid_key.public
    assert by_file == settings(vapid_private_key=ELLIPTIC_PEM, **SUBJECT).vapid_key.public
    assert "not both" in problem(vapid_private_key=RAW_KEY, vapid_private_key_file=path, **SUBJECT)


@pytest.mark.parametrize(
    "text", ["secret", "-----BEGIN PRIVATE KEY-----\nsecret", "A" * 43, "ü", PUBLIC_PEM, ACCOUNT.private_key]
)
def test_a_vapid_key_that_cannot_sign_stops_the_start_and_is_not_quoted(text: str) -> None:
    message = problem(vapid_private_key=text, **SUBJECT)
    assert "VAPID_PRIVATE_KEY is no private key for ES256" in message
    assert "secret" not in message


def test_a_vapid_key_needs_somebody_to_write_to() -> None:
    assert "VAPID_SUBJECT" in problem(vapid_private_key=RAW_KEY)


@pytest.mark.parametrize(
    "subject", ["push@example.com", "mailto:push@localhost", "https://localhost", "http://example.com", "mailto:@a.b"]
)
def test_a_subject_that_apple_would_refuse_stops_the_start(subject: str) -> None:
    assert "mailto: or https: address" in problem(vapid_private_key=RAW_KEY, vapid_subject=subject)


@pytest.mark.parametrize(
    "subject", ["mailto:push@mail.example.com", "https://example.com", "https://example.com/contact"]
)
def test_a_real_subject_is_taken(subject: str) -> None:
    assert settings(vapid_private_key=RAW_KEY, vapid_subject=subject).vapid_subject == subject


def test_the_simulated_push_service_is_for_development() -> None:
    given = PRODUCTION | {"fcm_service_account_json": key_file()}
    assert "WEB_PUSH_SIMULATOR_URL" in problem(**given, web_push_simulator_url="http://127.0.0.1:8025")


APPLE = {"apns_key_id": "ABC123DEFG", "apns_team_id": "DEF123GHIJ", "apns_topic": "com.example.app"}


@pytest.mark.parametrize("missing", APPLE)
def test_a_key_for_apns_needs_its_ids_and_the_app(missing: str) -> None:
    assert settings(apns_private_key=ELLIPTIC_PEM, **APPLE).apns_key.key_id == "ABC123DEFG"
    assert "APNS_TEAM_ID" in problem(apns_private_key=ELLIPTIC_PEM, **APPLE | {missing: ""})


def test_apns_is_spoken_to_over_tls() -> None:
    given = PRODUCTION | APPLE | {"apns_private_key": ELLIPTIC_PEM}
    assert "APNS_BASE_URL must be https" in problem(**given, apns_base_url="http://apns.example")
    assert "APNS_SANDBOX_BASE_URL must be https" in problem(**given, apns_sandbox_base_url="http://apns.example")


SANDBOX = "https://api.sandbox.push.apple.com"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ApnsEndpoints("production", "https://api.push.apple.com", SANDBOX)),
        ({"apns_environment": "sandbox"}, ApnsEndpoints("sandbox", "https://api.push.apple.com", SANDBOX)),
        (
            {"apns_base_url": "http://127.0.0.1:2197", "apns_sandbox_base_url": "http://127.0.0.1:2198"},
            ApnsEndpoints("production", "http://127.0.0.1:2197", "http://127.0.0.1:2198"),
        ),
        ({"apns_base_url": f"{SANDBOX}/"}, ApnsEndpoints("sandbox", "https://api.push.apple.com", SANDBOX)),
        (
            {"apns_base_url": "https://api.development.push.apple.com:2197"},
            ApnsEndpoints("sandbox", "https://api.push.apple.com", "https://api.development.push.apple.com:2197"),
        ),
    ],
)
def test_the_environments_of_apns(given: dict[str, str], expected: ApnsEndpoints) -> None:
    """The last two are as earlier releases chose the sandbox."""
    assert settings(**given).apns == expected


@pytest.mark.parametrize(
    "account", [{"vapid_private_key": RAW_KEY, **SUBJECT}, {"apns_private_key": ELLIPTIC_PEM, **APPLE}]
)
def test_production_needs_one_provider_whichever(account: dict[str, str]) -> None:
    assert settings(**PRODUCTION, **account).production


async def test_production_with_another_provider_does_not_miss_fcm() -> None:
    nowhere = {"redis_url": "redis://127.0.0.1:9/0", "drain_seconds": 0}
    app = create_app(settings(**PRODUCTION | nowhere, vapid_private_key=RAW_KEY, **SUBJECT))
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://push-service") as http,
    ):
        assert "fcm" not in (await http.get("/health")).json()["data"]["dependencies"]
