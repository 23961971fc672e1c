"""One set of environment variables: what the settings classes read is what compose, Kubernetes and .env.example offer."""

import re

import pytest

from tests.deploy.compose import EVERY, FOLDERS, READ_BY_LIBRARIES, ROOT, production, variables

OURS = sorted(EVERY)
# What docker-compose itself needs: for its own servers, for the names of images, and one for each service.
READ_BY_COMPOSE = {
    "POSTGRES_PASSWORD",
    "API_GATEWAY_DB_PASSWORD",
    "USER_SERVICE_DB_PASSWORD",
    "TEMPLATE_SERVICE_DB_PASSWORD",
    "EMAIL_SERVICE_DB_PASSWORD",
    "PUSH_SERVICE_DB_PASSWORD",
    "API_GATEWAY_PRIVATE_KEY",
    "USER_SERVICE_PRIVATE_KEY",
    "TEMPLATE_SERVICE_PRIVATE_KEY",
    "EMAIL_SERVICE_PRIVATE_KEY",
    "PUSH_SERVICE_PRIVATE_KEY",
    "REDIS_PASSWORD",
    "RABBITMQ_PASSWORD",
    "API_GATEWAY_RABBITMQ_PASSWORD",
    "EMAIL_SERVICE_RABBITMQ_PASSWORD",
    "PUSH_SERVICE_RABBITMQ_PASSWORD",
    "GRAFANA_PASSWORD",
    "RABBITMQ_ERLANG_COOKIE",
    "GATEWAY_PORT",
    "BALANCER_PORT",
    "CONSOLE_PORT",
    "IMAGE_PREFIX",
    "IMAGE_TAG",
}


@pytest.mark.parametrize("service", OURS)
def test_compose_passes_every_setting_on_and_nothing_else(service: str) -> None:
    assert set(production()[service]["environment"]) - READ_BY_LIBRARIES == variables(service)


def test_the_example_names_every_setting_and_nothing_else() -> None:
    named = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(named) == len(set(named))
    read = set.union(*(variables(service) for service in OURS))
    assert set(named) == read | READ_BY_LIBRARIES | READ_BY_COMPOSE


def test_every_variable_that_compose_interpolates_is_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    for name in (
        "docker-compose.yml",
        "docker-compose.override.yml",
        "deploy/compose/production.yml",
        "deploy/cluster/docker-compose.yml",
    ):
        for variable in re.findall(r"\$\{(\w+)", (ROOT / name).read_text()):
            assert re.search(rf"^(# )?{variable}=", example, re.MULTILINE), variable


def test_the_defaults_that_the_example_shows_are_the_defaults() -> None:
    shown = re.findall(r"^# ([A-Z][A-Z0-9_]*)=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    checked = 0
    for name, value in shown:
        for kind in EVERY.values():
            field = kind.model_fields.get(name.lower())
            if field is not None:
                checked += 1
                assert kind(_env_file=None, **{name.lower(): value}) == kind(_env_file=None), f"{kind.__name__}.{name}"
    assert checked > 40


@pytest.mark.parametrize("service", OURS)
def test_every_setting_that_a_service_offers_is_used_by_it(service: str) -> None:
    folders = (
        ROOT / FOLDERS[service] / FOLDERS[service].replace("-", "_"),
        ROOT / "libs/chassis",
        ROOT / "libs/contracts",
        ROOT / "libs/delivery",
    )
    code = "\n".join(
        file.read_text()
        for folder in folders
        for file in folder.rglob("*.py")
        if "tests" not in file.relative_to(folder).parts  # the clone itself may be below a folder of that name
    )
    read = set(re.findall(r"\.([a-z_]+)", code))
    assert set(EVERY[service].model_fields) - read == set()
