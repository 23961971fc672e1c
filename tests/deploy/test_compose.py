"""What the compose files and Dockerfiles promise, as far as no engine is needed to see it (`make drill` shows the rest)."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from tests.deploy import production as production_file
from tests.deploy.compose import EVERY, FOLDERS, ROOT, SETTINGS, base, production, services

FILES = (
    "docker-compose.yml",
    "docker-compose.override.yml",
    "docker-compose.prod.yml",
    "deploy/cluster/docker-compose.yml",
    "tests/cluster/providers.yml",
)
OURS = sorted(SETTINGS)
ALL = sorted(EVERY)


@pytest.mark.parametrize("name", FILES)
def test_the_file_follows_the_compose_specification(name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(ROOT / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_production_file_is_the_other_one_with_productions_changes() -> None:
    assert (ROOT / production_file.WHOLE).read_text() == production_file.whole(), "run make schemas"


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.prod.yml"])
def test_the_file_is_whole_by_itself(name: str) -> None:
    """So that `docker-compose -f FILE` works with it alone."""
    document = yaml.safe_load((ROOT / name).read_text())
    for service, body in document["services"].items():
        assert "image" in body, service
        assert set(body.get("networks", [])) <= set(document["networks"])
        mounted = {volume.split(":")[0] for volume in body.get("volumes", []) if not volume.startswith((".", "$"))}
        assert mounted <= set(document["volumes"])
        assert set(body.get("depends_on", {})) <= set(document["services"])


def test_postgresql_writes_no_values_of_rows_into_its_log() -> None:
    assert "log_error_verbosity=terse" in production()["postgres"]["command"]


def test_only_the_gateway_is_published_and_the_console_on_loopback() -> None:
    published = {name: service["ports"] for name, service in production().items() if "ports" in service}
    assert published.keys() == {"api-gateway", "console"}
    assert all(port.startswith("127.0.0.1:") for port in published["console"])


def test_development_publishes_on_loopback_only() -> None:
    ports = [port for service in services("docker-compose.override.yml").values() for port in service["ports"]]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_secret_has_a_default() -> None:
    used = re.findall(
        r"\$\{(\w*(?:PASSWORD|SECRET_KEY|PRIVATE_KEY|PUBLIC_KEYS))\b([^}]*)\}",
        (ROOT / "docker-compose.yml").read_text(),
    )
    assert {name for name, _ in used} >= {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "RABBITMQ_PASSWORD", "SECRET_KEY"}
    assert {name for name, rest in used if not rest.startswith(":?")} == set()


@pytest.mark.parametrize("service", OURS)
def test_a_service_has_a_database_and_a_role_of_its_own(service: str) -> None:
    name = FOLDERS[service].replace("-", "_")
    address = base()[service]["environment"]["DATABASE_URL"]
    password = "${" + f"{name.upper()}_DB_PASSWORD:?run make env" + "}"
    assert address == f"postgresql+asyncpg://{name}:{password}@postgres:5432/{name}"
    assert base()[f"{service}-migrate"]["environment"]["DATABASE_URL"] == address
    assert f"{name.upper()}_DB_PASSWORD" in base()["postgres"]["environment"]
    assert (
        f'make_database {name} "${{{name.upper()}_DB_PASSWORD:?}}"'
        in (ROOT / "deploy/postgres/10-databases.sh").read_text()
    )


@pytest.mark.parametrize("service", OURS)
def test_a_service_starts_after_its_migration_and_its_healthy_servers(service: str) -> None:
    awaited = {name: how["condition"] for name, how in base()[service]["depends_on"].items()}
    assert awaited.pop(f"{service}-migrate") == "service_completed_successfully"
    reads = base()[service]["environment"]
    needed = {"postgres", "redis"} | ({"rabbitmq"} if "RABBITMQ_URL" in reads else set())
    assert awaited == dict.fromkeys(needed, "service_healthy")
    assert all("healthcheck" in base()[name] for name in needed)
    migration = base()[f"{service}-migrate"]
    assert migration["image"] == base()[service]["image"]
    assert migration["command"] == ["python", "-m", FOLDERS[service].replace("-", "_"), "migrate"]


@pytest.mark.parametrize("service", ALL)
def test_a_container_of_ours_has_no_rights_it_does_not_need(service: str) -> None:
    for body in (base()[name] for name in (service, f"{service}-migrate") if name in base()):
        assert body["read_only"] is True
        assert body["cap_drop"] == ["ALL"]
        assert body["security_opt"] == ["no-new-privileges:true"]
        assert "ports" not in body or service in {"api-gateway", "console"}


@pytest.mark.parametrize("service", ALL)
def test_a_worker_is_given_time_to_drain(service: str) -> None:
    grace = int(base()[service]["stop_grace_period"].removesuffix("s"))
    drain = EVERY[service].model_fields.get("drain_seconds")
    assert grace > (drain.default if drain else 0) + 20  # what uvicorn gives requests in flight


@pytest.mark.parametrize("service", ALL)
def test_production_limits_restarts_and_rotates(service: str) -> None:
    body = production()[service]
    assert body["restart"] == "always"
    assert body["mem_limit"]
    assert body["cpus"]
    assert body["logging"]["options"]["max-size"]
    assert body["environment"]["ENVIRONMENT"] == "production"


@pytest.mark.parametrize("service", ALL)
def test_an_image_holds_the_libraries_its_service_depends_on_and_no_others(service: str) -> None:
    text = (ROOT / FOLDERS[service] / "Dockerfile").read_text()
    assert set(re.findall(r"^COPY libs/(\w+) libs/\1$", text, re.MULTILINE)) == libraries(FOLDERS[service])


def libraries(folder: str) -> set[str]:
    """The project's own libraries in libs/ that a package depends on, directly or not."""
    declared = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]["dependencies"]
    direct = {match[1] for name in declared if (match := re.match(r"notification-(?!sdk)(\w+)", name))}
    return direct.union(*(libraries(f"libs/{name}") for name in direct))


@pytest.mark.parametrize("service", ALL)
def test_an_image_runs_unprivileged_says_how_it_is_and_gets_signals(service: str) -> None:
    text = (ROOT / FOLDERS[service] / "Dockerfile").read_text()
    port = EVERY[service].model_fields["port"].default
    last_stage = text[text.rindex("\nFROM ") :]
    assert "\nUSER 10001:10001\n" in last_stage
    assert f'CMD ["python", "-m", "chassis.probe", "{port}"]' in last_stage
    assert last_stage.rstrip().endswith(f'CMD ["python", "-m", "{FOLDERS[service].replace("-", "_")}"]')
    assert str(base()[service]["environment"]["PORT"]) == str(port)


def test_no_secret_file_can_get_into_an_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {"**/.env", "**/.env.*", "**/.git", "**/.data", "secrets"} <= set(ignored)
