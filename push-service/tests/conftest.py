"""A service account and FCM's simulator, for every test of this service."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jose.backends import cryptography_backend

from devstack.simulators import oauth
from devstack.simulators.oauth import make_service_account, write_service_account
from devstack.simulators.run import RunningSimulators, SimulatorOptions, running_simulators
from push_service.senders.fcm.google_auth import ServiceAccount

read_once = cache(load_pem_private_key)


@pytest.fixture(autouse=True)
def _each_rsa_key_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time its primes are checked, for 60 ms of a core."""
    for module in (cryptography_backend, oauth):
        monkeypatch.setattr(module, "load_pem_private_key", read_once)


@pytest.fixture(scope="session")
def account() -> ServiceAccount:
    """An account that no provider knows: for servers that do not check it."""
    made = make_service_account("https://oauth2.example")
    return ServiceAccount.model_validate(asdict(made))


@pytest.fixture(scope="session")
def known_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the service account whose key all simulators of this run have: it takes long to make one."""
    folder = tmp_path_factory.mktemp("keys")
    write_service_account(folder / "service-account.json", "http://127.0.0.1")
    return folder


@pytest.fixture
async def simulators(tmp_path: Path, known_keys: Path) -> AsyncIterator[RunningSimulators]:
    options = SimulatorOptions(data=tmp_path / "simulators", smtp_port=0, http_port=0, journal=False)
    shutil.copytree(known_keys, options.data)
    async with running_simulators(options) as running:
        yield running
