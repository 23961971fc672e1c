"""What k8s/ gives to each service is what the service reads: every setting, nothing else, good enough for production."""

import base64
import json
import secrets
from dataclasses import asdict
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from chassis.security.service_keys import ServiceKey
from chassis.settings import ServiceSettings
from devstack.simulators.oauth import make_service_account
from tests.deploy.manifests import (
    CHECKSUM,
    FOLDER,
    SERVICES,
    Document,
    SecretKey,
    config_checksum,
    container,
    documents,
    environment,
    example_secrets,
    identity,
    named,
    pod_spec,
    service_of,
    workloads,
)

# Read by others than the settings: the OpenTelemetry SDK, OpenSSL.
READ_BY_OTHERS = {"SSL_CERT_FILE"}
TRACING = "OTEL_"
KEYS = {"SECRET_KEY", "SERVICE_PRIVATE_KEY", "SERVICE_PUBLIC_KEYS", "METRICS_TOKEN", "CONSOLE_SECRET_KEY"}
GATEWAY_POD, CLIENT = "10.1.2.3", "203.0.113.7"


@pytest.mark.parametrize("workload", workloads(), ids=identity)
def test_a_service_gets_all_of_its_settings_and_nothing_else(workload: Document) -> None:
    settings = {name.upper() for name in service_of(workload).settings.model_fields}
    given = {name for name in environment(workload) if not name.startswith(TRACING)}
    assert given - READ_BY_OTHERS == settings


@pytest.mark.parametrize("workload", workloads(), ids=identity)
def test_what_is_secret_comes_from_a_secret(workload: Document) -> None:
    fields = service_of(workload).settings.model_fields
    secret = {name.upper() for name, field in fields.items() if "SecretStr" in str(field.annotation)}
    with_passwords = {"DATABASE_URL", "REDIS_URL", "RABBITMQ_URL"}
    secret |= with_passwords & {name.upper() for name in fields}
    given = environment(workload)
    assert {name for name, value in given.items() if isinstance(value, SecretKey)} >= secret


@pytest.mark.parametrize("workload", workloads(), ids=identity)
def test_no_variable_is_given_twice(workload: Document) -> None:
    """The later one would win, silently."""
    sources = [named("ConfigMap", source["configMapRef"]["name"])["data"] for source in container(workload)["envFrom"]]
    names = [name for data in sources for name in data] + [variable["name"] for variable in container(workload)["env"]]
    assert sorted(names) == sorted(set(names))


def test_every_config_map_is_read() -> None:
    read = {source["configMapRef"]["name"] for workload in workloads() for source in container(workload)["envFrom"]}
    assert read == {document["metadata"]["name"] for document in documents("ConfigMap")}


@pytest.mark.parametrize("workload", workloads(), ids=identity)
def test_the_service_starts_with_these_settings_in_production(
    workload: Document, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = _load(workload, _strong_values(workload), monkeypatch, tmp_path)
    assert settings.production
    assert settings.port == service_of(workload).port


@pytest.mark.parametrize("deployment", documents("Deployment"), ids=identity)
def test_the_placeholders_of_the_example_are_refused(
    deployment: Document, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = environment(deployment)
    placeholders = {name: value for name, value in given.items() if isinstance(value, SecretKey) and name in KEYS}
    assert placeholders.keys() & {"SERVICE_PRIVATE_KEY", "CONSOLE_SECRET_KEY"}
    values = _strong_values(deployment)
    values |= {name: example_secrets()[value.secret][value.key] for name, value in placeholders.items()}
    with pytest.raises(ValidationError) as refused:
        _load(deployment, values, monkeypatch, tmp_path)
    used = placeholders.keys() - ({"SECRET_KEY"} if deployment["metadata"]["name"] != "user-service" else set())
    assert all(name in str(refused.value) for name in used), "its keeper needs SECRET_KEY with ES256; others do not"


def test_the_placeholder_of_the_push_key_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deployment = named("Deployment", "push-worker")
    placeholder = example_secrets()["fcm-service-account"]["service-account.json"]
    with pytest.raises(ValidationError, match="is not a service account's key"):
        _load(deployment, _strong_values(deployment), monkeypatch, tmp_path, account=placeholder)


def test_the_push_keys_file_is_where_the_secret_is_mounted_and_readable_by_the_service() -> None:
    for name in ("Deployment/push-worker", "Job/migrate-push-worker"):
        workload = named(*name.split("/"))
        path = Path(str(environment(workload)["FCM_SERVICE_ACCOUNT_FILE"]))
        mounts = {mount["mountPath"]: mount["name"] for mount in container(workload)["volumeMounts"]}
        volume = next(volume for volume in pod_spec(workload)["volumes"] if volume["name"] == mounts[str(path.parent)])
        assert path.name in example_secrets()[volume["secret"]["secretName"]]
        assert volume["secret"]["defaultMode"] == 0o440, "its group may read it, and that is the pod's fsGroup"
        assert pod_spec(workload)["securityContext"]["fsGroup"] == pod_spec(workload)["securityContext"]["runAsGroup"]


@pytest.mark.parametrize("deployment", documents("Deployment"), ids=identity)
def test_services_are_looked_for_where_they_are(deployment: Document) -> None:
    for name, value in environment(deployment).items():
        if name.endswith("_SERVICE_URL"):
            target = urlsplit(str(value))
            image = container(named("Deployment", str(target.hostname)))["image"]
            assert name.removesuffix("_URL").lower().replace("_", "-") in image, "another service's code answers there"
            assert target.port == named("Service", str(target.hostname))["spec"]["ports"][0]["port"]


@pytest.mark.parametrize("deployment", documents("Deployment"), ids=identity)
def test_pods_restart_when_their_settings_change(deployment: Document) -> None:
    annotations = deployment["spec"]["template"]["metadata"]["annotations"]
    assert annotations[CHECKSUM] == config_checksum(deployment), "run python -m tests.deploy.manifests"


@pytest.mark.parametrize("name", ["api-gateway", "user-service", "template-service", "console"])
async def test_a_client_is_known_by_its_own_address_behind_the_proxies(name: str) -> None:
    """Without it all clients share one limit of logins: each would have the address of the gateway's pod."""
    trusted = str(environment(named("Deployment", name))["FORWARDED_ALLOW_IPS"])
    assert all(ip_network(network.strip()).is_private for network in trusted.split(","))
    seen: list[object] = []

    async def app(scope: dict[str, object], _receive: object, _send: object) -> None:
        seen.append(scope["client"])

    for peer in (GATEWAY_POD, "198.51.100.1"):
        scope = {"type": "http", "client": (peer, 1), "headers": [(b"x-forwarded-for", CLIENT.encode())]}
        await ProxyHeadersMiddleware(app, trusted)(scope, None, None)  # type: ignore[arg-type]
    assert seen == [(CLIENT, 0), ("198.51.100.1", 1)], "and nobody else may claim to speak for another"


@pytest.mark.parametrize("name", list(SERVICES))
def test_queues_are_quorum_queues_wherever_they_are_declared(name: str) -> None:
    assert environment(named("Deployment", name)).get("QUEUE_TYPE", "quorum") == "quorum"


def _strong_values(workload: Document) -> dict[str, str]:
    """What the container would have with real secrets. Push has its key as a file, so not as a variable too."""
    given = environment(workload)
    values = {name: value for name, value in given.items() if isinstance(value, str)}
    addresses = {
        "DATABASE_URL": f"postgresql://u:{secrets.token_urlsafe(24)}@db/x",
        "REDIS_URL": "rediss://r",
        "RABBITMQ_URL": f"amqp://u:{secrets.token_urlsafe(24)}@rabbitmq/",
        "EMAIL_PROVIDERS": '{"one": {"host": "smtp.example.com"}}',
        "DATA_ENCRYPTION_KEYS": f"a:{base64.b64encode(secrets.token_bytes(32)).decode()}",
    }
    key = ServiceKey(service_of(workload).folder, secrets.token_urlsafe(32))
    known = {
        **addresses,
        "SERVICE_PRIVATE_KEY": key.private,
        "SERVICE_PUBLIC_KEYS": f"{key.service}:{key.public}",
    }
    for name, value in given.items():
        if isinstance(value, SecretKey) and not name.startswith(("FCM_", "DKIM_", "VAPID_", "APNS_")):
            values[name] = known.get(name) or secrets.token_urlsafe(48)
    return values


@pytest.mark.parametrize("workload", workloads(), ids=identity)
def test_a_service_gets_its_own_private_key_and_no_other(workload: Document) -> None:
    deployment = workload["metadata"]["name"].removeprefix("migrate-")
    if deployment == "console":
        assert "SERVICE_PRIVATE_KEY" not in environment(workload), "it is a client like any other"
        return
    assert environment(workload)["SERVICE_PRIVATE_KEY"] == SecretKey(deployment, "SERVICE_PRIVATE_KEY")


def test_the_bounce_port_of_the_pod_is_the_one_that_the_configuration_names() -> None:
    (port,) = [one for one in container(named("Deployment", "email-worker"))["ports"] if one["name"] == "bounces"]
    line = next(line for line in (FOLDER / "config.yaml").read_text().splitlines() if "BOUNCE_SMTP_PORT" in line)
    assert f'"{port["containerPort"]}" with BOUNCE_DOMAIN' in line


def _load(
    workload: Document,
    values: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    *,
    account: str | None = None,
) -> ServiceSettings:
    """The service's settings from exactly these variables; the push key lies in a real file."""
    kind = service_of(workload).settings
    for name in kind.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    if "FCM_SERVICE_ACCOUNT_FILE" in values:
        key = folder / "service-account.json"
        key.write_text(account or json.dumps(asdict(make_service_account("https://oauth2.example"))))
        values = {**values, "FCM_SERVICE_ACCOUNT_FILE": str(key)}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return kind(_env_file=None)
