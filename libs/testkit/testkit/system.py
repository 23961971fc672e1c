"""The five services as separate processes on real servers, with the provider simulators as a sixth."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from uuid import uuid4

import httpx2

from chassis.postgres.migrations import migrate
from chassis.security.service_keys import ServiceKey
from testkit.eventually import pause, wait_until
from testkit.servers.process import ServerProcess, free_port
from testkit.servers.rabbitmq import RabbitServer
from tests.leaks.watch import WATCH

ROOT = Path(__file__).resolve().parents[3]
ADMIN = {"email": "root@example.com", "password": uuid4().hex}
MODULES = {
    "user-service": "user_service",
    "template-service": "template_service",
    "email-service": "email_service",
    "push-service": "push_service",
    "api-gateway": "api_gateway",
}
SECRET_KEY = uuid4().hex * 2
WEBHOOK_PASSWORD = uuid4().hex
SERVICE_KEYS = {service: ServiceKey(service, token_urlsafe(32)) for service in MODULES}
PUBLIC_KEYS = ",".join(f"{service}:{key.public}" for service, key in SERVICE_KEYS.items())
MEMORY = ("--keep", "500000", "--no-journal")  # every message is stored, so that it can be counted
ENDS = {"sent", "delivered", "failed", "suppressed", "cancelled", "expired", "unknown"}


@dataclass
class System:
    """Processes by name: a service's name, or another name for its second process (`start_service(…, name=…)`).

    `databases` maps a service to its database's address. `settings` are environment variables for every service.
    """

    folder: Path
    databases: dict[str, str]
    redis_url: str
    rabbit: RabbitServer
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in MODULES})
    processes: dict[str, ServerProcess] = field(default_factory=dict)
    simulators: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    http: httpx2.Client = field(
        default_factory=lambda: httpx2.Client(timeout=20, trust_env=False, event_hooks={"response": [_learn]})
    )

    def start(self) -> None:
        self._start_simulators()
        for service in MODULES:
            asyncio.run(migrate(ROOT / service / "alembic", self.databases[service]))
            self.start_service(service)
        self.run_command(
            "user-service", "create-admin", "--email", ADMIN["email"], env={"ADMIN_PASSWORD": ADMIN["password"]}
        )
        for service in MODULES:
            self.wait_ready(service)
        self.log_in()

    def log_in(self) -> None:
        token = self.call("POST", "/auth/login", ADMIN)["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def stop(self) -> dict[str, int]:
        """Sends SIGTERM to all processes. Returns their exit statuses."""
        for name in reversed(list(self.processes)):
            self.processes[name].stop()
        self.http.close()
        return {name: process.process.returncode for name, process in self.processes.items()}

    def start_service(self, service: str, name: str | None = None, env: dict[str, str] | None = None) -> None:
        """Starts a process of the service: its only one, or another one under `name`."""
        name = name or service
        port = self.ports.setdefault(name, free_port())
        environment = {**self._env(service), **(env or {}), "PORT": str(port)}
        command = [sys.executable, "-m", MODULES[service]]
        self.processes[name] = ServerProcess(command, self.folder / f"{name}.log", environment)

    def stop_service(self, name: str, how: signal.Signals = signal.SIGTERM) -> int:
        """The exit status; negative for a signal."""
        self.processes[name].stop(how=how)
        return self.processes[name].process.returncode

    def wait_ready(self, name: str, seconds: float = 60) -> None:
        url = f"http://127.0.0.1:{self.ports[name]}/health/readiness"
        wait_until(lambda: self._status(url) == 200, seconds, f"{name} (see {self.folder / name}.log)")

    def call(self, method: str, path: str, body: object = None, *, status: int | None = None) -> Any:
        """The `data` of the gateway's response, which must be a success (or have `status`). Logs in again after half an
        hour: a whole run of the bench lasts longer than a token.
        """
        answer = self.http.request(method, f"{self.gateway}/api/v1{path}", json=body)
        if answer.status_code == 401 and answer.json()["error"] == "token_expired":
            self.log_in()
            answer = self.http.request(method, f"{self.gateway}/api/v1{path}", json=body)
        if status is None:
            assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        else:
            assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()["data"]

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.ports['api-gateway']}"

    def send(self, channel: str, user_id: str, **changes: object) -> str:
        body = {"notification_type": channel, "user_id": user_id, "template_code": "welcome", "request_id": str(uuid4()),
                "variables": {"name": "Ada", "link": "https://example.com/x"}, **changes}  # fmt: skip
        return str(self.call("POST", "/notifications/", body, status=202)["notification_id"])

    def follow(self, notification_id: str, seconds: float = 30) -> Any:
        """The notification's detail, once it has ended (or the provider has it)."""
        deadline = time.monotonic() + seconds
        while (notification := self.call("GET", f"/notifications/{notification_id}"))["status"] not in ENDS:
            assert time.monotonic() < deadline, f"still {notification['status']} after {seconds} s: {notification}"
            pause(0.05)
        return notification

    def arrivals(self, kind: str) -> list[str]:
        """The ids of the notifications that the provider took, in their order."""
        answer = self.http.get(f"{self.simulators['base_url']}/api/arrivals", params={"kind": kind})
        return [row["key"].strip("<>").split("@")[0] for row in answer.json()["arrivals"]]

    def messages(self, kind: str) -> list[Any]:
        answer = self.http.get(f"{self.simulators['base_url']}/api/messages", params={"kind": kind, "limit": 1000})
        return list(answer.json()["messages"])

    def message(self, message_id: int) -> Any:
        """One message as the provider has it, with its source."""
        return self.http.get(f"{self.simulators['base_url']}/api/messages/{message_id}").json()

    def _status(self, url: str) -> int:
        try:
            return self.http.get(url).status_code
        except httpx2.HTTPError:
            return 0

    def run_command(self, service: str, *arguments: str, env: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", MODULES[service], *arguments]
        environment = {**os.environ, **self._env(service), **(env or {})}
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def _start_simulators(self) -> None:
        log = self.folder / "simulators.log"
        ports = ["--smtp-port", "0", "--http-port", "0", "--apns-port", "0", "--apns-sandbox-port", "0"]
        webhook = f"http://postmark:{WEBHOOK_PASSWORD}@127.0.0.1:{self.ports['api-gateway']}/api/v1/webhooks/postmark"
        options = [*ports, "--data", str(self.folder / "simulators"), "--webhook-url", webhook, *MEMORY]
        command = [sys.executable, "-m", "devstack.simulators", *options]
        self.processes["simulators"] = ServerProcess(command, log)
        wait_until(lambda: log.exists() and "base_url" in log.read_text(), 30, "the simulators")
        self.simulators.update(json.loads(log.read_text().splitlines()[0]))

    def _env(self, service: str) -> dict[str, str]:
        return {
            "SECRET_KEY": SECRET_KEY,
            "SERVICE_PRIVATE_KEY": SERVICE_KEYS[service].private,
            "SERVICE_PUBLIC_KEYS": PUBLIC_KEYS,
            "HOST": "127.0.0.1",
            "PORT": str(self.ports[service]),
            "DATABASE_URL": self.databases[service],
            "REDIS_URL": self.redis_url,
            "RABBITMQ_URL": self.rabbit.url,
            "USER_SERVICE_URL": f"http://127.0.0.1:{self.ports['user-service']}",
            "API_GATEWAY_URL": f"http://127.0.0.1:{self.ports['api-gateway']}",
            "ATTACHMENT_URLS": "any",  # tests serve the files themselves
            "SENDER_DOMAINS": "orders.example",
            "VERIFY_EMAILS": "false",  # tests count the mails to the users that they create
            "TEMPLATE_SERVICE_URL": f"http://127.0.0.1:{self.ports['template-service']}",
            "EMAIL_SERVICE_URL": f"http://127.0.0.1:{self.ports['email-service']}",
            "PUSH_SERVICE_URL": f"http://127.0.0.1:{self.ports['push-service']}",
            "PUBLIC_URL": f"http://127.0.0.1:{self.ports['api-gateway']}",
            "POSTMARK_WEBHOOK_PASSWORD": WEBHOOK_PASSWORD,
            "SENDGRID_WEBHOOK_PUBLIC_KEY": str(self.simulators.get("sendgrid_webhook_public_key", "")),
            "MAILGUN_WEBHOOK_SIGNING_KEY": str(self.simulators.get("mailgun_webhook_signing_key", "")),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.simulators.get("smtp_port", 1)),
            "FCM_BASE_URL": str(self.simulators.get("base_url", "http://127.0.0.1:1")),
            "FCM_SERVICE_ACCOUNT_FILE": str(self.simulators.get("service_account", "")),
            "VAPID_PRIVATE_KEY_FILE": str(self.simulators.get("vapid_key", "")),
            "VAPID_PUBLIC_KEY": str(self.simulators.get("vapid_public_key", "")),
            "VAPID_SUBJECT": "mailto:push@example.com",
            "APNS_BASE_URL": str(self.simulators.get("apns_url", "http://127.0.0.1:1")),
            "APNS_SANDBOX_BASE_URL": str(self.simulators.get("apns_sandbox_url", "http://127.0.0.1:1")),
            "APNS_PRIVATE_KEY_FILE": str(self.simulators.get("apns_key", "")),
            "APNS_KEY_ID": "SIMULATED1",
            "APNS_TEAM_ID": "SIMULATORS",
            "APNS_TOPIC": "com.example.app",
            "WEB_PUSH_SIMULATOR_URL": str(self.simulators.get("base_url", "")),
            "RETRY_BASE_SECONDS": "0.2",
            "DEFERRED_RETRY_SECONDS": "1",
            **self.settings,
        }


def _learn(answer: httpx2.Response) -> None:
    """Registers personal values of requests and responses: no log line may contain them."""
    if answer.request.url.path.startswith("/api/v1/"):  # the simulators show messages by their notification's id
        answer.read()
        WATCH.learn_exchange(answer)
