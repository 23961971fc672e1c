"""One run of schemathesis: the live document of a service, every operation tried as one caller."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx2

from testkit.system import ROOT
from tests.faults.lab import QUICK, Lab

CONFIG = Path(__file__).with_name("schemathesis.toml")
MANY = "1000000"
LOGINS = {"LOGIN_FAILURES": MANY, "LOGIN_ACCOUNT_ATTEMPTS": MANY, "LOGIN_CLIENT_ATTEMPTS": MANY}  # user-service's
SETTINGS = {**QUICK, **LOGINS}
"""Of the services: no limit, and no session's end, comes between a long run and what it tries."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with a credential. `ids` are what no call may change; `proof` is a path that the credential reads."""

    name: str
    credential: str
    ids: tuple[str, ...]
    proof: str


def callers(lab: Lab) -> list[Caller]:
    """The administrator, and a key that may read notifications and nothing else."""
    system = lab.system
    token = system.http.headers["Authorization"].removeprefix("Bearer ")
    key = system.call("POST", "/api-keys", {"name": "narrow", "scopes": ["notifications:read"]})
    return [
        Caller("administrator", token, (system.call("GET", "/auth/me")["id"],), "/auth/me"),
        Caller("narrow-key", key["key"], (key["id"],), "/notifications"),
    ]


def run(lab: Lab, service: str, caller: Caller, options: Sequence[str]) -> str | None:
    """What schemathesis found, or None. `options` are its own.

    A caller whose credential no longer works has been refused everywhere, which proves nothing: that is found, too.
    """
    url = f"http://127.0.0.1:{lab.system.ports[service]}/openapi.json"
    command = [Path(sys.executable).with_name("st"), "--config-file", CONFIG, "run", url, "--no-color", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FUZZING": json.dumps(_given(lab, caller))}
    done = subprocess.run(command, env=environment, cwd=lab.system.folder, check=False, capture_output=True, text=True)
    if done.returncode:
        return "\n".join(line[:1_000] for line in (done.stdout + done.stderr).splitlines())
    bearer = {"Authorization": f"Bearer {caller.credential}"}
    answer = httpx2.get(f"{lab.system.gateway}/api/v1{caller.proof}", headers=bearer, trust_env=False)
    return (
        None if answer.status_code == 200 else f"the credential of {caller.name} does not work any more: {answer.text}"
    )


def _given(lab: Lab, caller: Caller) -> dict[str, object]:
    """What `hooks` reads."""
    leaver = {"email": f"{uuid4().hex}@example.com", "password": uuid4().hex}
    made = lab.system.call("POST", "/users", {**leaver, "name": "Leaver"})
    users = f"http://127.0.0.1:{lab.system.ports['user-service']}"
    return {"credential": caller.credential, "spared": (*caller.ids, made["id"]), "leaver": leaver, "users": users}
