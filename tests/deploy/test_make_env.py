"""`make env`."""

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.security.service_keys import ServiceKey, parse_public_keys
from tests.deploy.compose import ROOT

FOLDERS = ("api-gateway", "user-service", "template-service", "email-service", "push-service")


def make_env(root: Path) -> str:
    command = [sys.executable, str(ROOT / "scripts/make_env.py"), str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def values(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copy(ROOT / ".env.example", tmp_path)
    for folder in FOLDERS:
        (tmp_path / folder).mkdir()
    return tmp_path


def test_every_secret_is_fresh_strong_and_private(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    make_env(checkout)
    written = values(checkout / ".env")
    secrets = [
        value
        for name, value in written.items()
        if re.search(r"(_PASSWORD|PRIVATE_KEY|SECRET_KEY|TOKEN)$", name) and value
    ]
    assert len(secrets) == 20
    assert len(set(secrets)) == len(secrets)
    assert all(re.fullmatch(r"[\w-]{43}", secret) for secret in secrets)  # 32 bytes, and safe in a URL
    assert stat.S_IMODE((checkout / ".env").stat().st_mode) == 0o600


def test_each_service_is_told_its_own_database(checkout: Path) -> None:
    make_env(checkout)
    passwords = values(checkout / ".env")
    for folder in FOLDERS:
        name = folder.replace("-", "_")
        address = values(checkout / folder / ".env")["DATABASE_URL"]
        assert (
            address == f"postgresql+asyncpg://{name}:{passwords[f'{name.upper()}_DB_PASSWORD']}@localhost:5432/{name}"
        )


def test_each_service_that_speaks_amqp_is_told_its_own_user(checkout: Path) -> None:
    make_env(checkout)
    passwords = values(checkout / ".env")
    for folder in FOLDERS:
        password = passwords.get(f"{folder.upper().replace('-', '_')}_RABBITMQ_PASSWORD")
        address = f"amqp://{folder}:{password}@localhost:5672/" if password else None
        assert values(checkout / folder / ".env").get("RABBITMQ_URL") == address
    assert sum("_RABBITMQ_PASSWORD" in name for name in passwords) == 3


def test_what_is_there_is_kept_and_what_it_lacks_is_told(checkout: Path) -> None:
    (checkout / ".env").write_text("SECRET_KEY=mine\n")
    assert "It lacks SERVICE_PUBLIC_KEYS." in make_env(checkout)
    assert (checkout / ".env").read_text() == "SECRET_KEY=mine\n"


def test_each_service_has_a_key_of_its_own_that_all_know(checkout: Path) -> None:
    make_env(checkout)
    known = parse_public_keys(values(checkout / ".env")["SERVICE_PUBLIC_KEYS"])
    for folder in FOLDERS:
        key = ServiceKey(folder, values(checkout / folder / ".env")["SERVICE_PRIVATE_KEY"])
        assert known.pop(key.public) == folder
        assert values(checkout / ".env")[f"{folder.upper().replace('-', '_')}_PRIVATE_KEY"] == key.private
    assert known == {}


def test_the_env_of_the_release_before_is_completed(checkout: Path) -> None:
    """As docs/operations/upgrading.md says: the new variables added empty, then `make env`."""
    make_env(checkout)
    names = ("PRIVATE_KEY=", "SERVICE_PUBLIC_KEYS=")
    for path in (checkout / ".env", checkout / "user-service/.env"):
        kept = [line for line in path.read_text().splitlines(True) if not any(name in line for name in names)]
        path.write_text("".join(kept))
    before, own = values(checkout / ".env"), values(checkout / "user-service/.env")
    new = [
        line for line in (checkout / ".env.example").read_text().splitlines(True) if any(one in line for one in names)
    ]
    (checkout / ".env").write_text((checkout / ".env").read_text() + "".join(new))
    make_env(checkout)
    completed = values(checkout / ".env")
    assert completed.items() >= before.items()
    key = ServiceKey("user-service", completed["USER_SERVICE_PRIVATE_KEY"])
    assert values(checkout / "user-service/.env") == {**own, "SERVICE_PRIVATE_KEY": key.private}
    assert parse_public_keys(completed["SERVICE_PUBLIC_KEYS"])[key.public] == "user-service"


def test_fresh_keys_are_printed_for_where_there_is_no_env() -> None:
    command = [sys.executable, str(ROOT / "scripts/service_keys.py"), "one", "two"]
    *privates, public = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    known = parse_public_keys(public.removeprefix("SERVICE_PUBLIC_KEYS="))
    for line in privates:
        service, _, private = line.partition(" SERVICE_PRIVATE_KEY=")
        assert known[ServiceKey(service, private).public] == service
    assert len(known) == len(privates) == 2


def test_a_copy_of_the_example_gets_its_secrets_and_what_is_set_stays(checkout: Path) -> None:
    """`cp .env.example .env`, then `docker-compose up`, which says: run make env."""
    shutil.copy(checkout / ".env.example", checkout / ".env")
    edited = (checkout / ".env").read_text().replace("REDIS_PASSWORD=\n", "REDIS_PASSWORD=mine\n")
    (checkout / ".env").write_text(edited + "FROM_NAME=\n")
    assert "empty secrets" in make_env(checkout)
    written = values(checkout / ".env")
    assert written["REDIS_PASSWORD"] == "mine"
    assert written["SMTP_PASSWORD"] == written["FROM_NAME"] == "", "not a secret of ours"
    assert all(
        re.fullmatch(r"[\w-]{43}", written[name]) for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "GRAFANA_PASSWORD")
    )
    assert stat.S_IMODE((checkout / ".env").stat().st_mode) == 0o600
    assert written["USER_SERVICE_DB_PASSWORD"] in values(checkout / "user-service/.env")["DATABASE_URL"]
    assert "empty secrets" not in make_env(checkout)
    assert values(checkout / ".env") == written
