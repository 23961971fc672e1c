"""The provider simulators of `python -m tests.cluster`: they run on this machine, and know when they took what."""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from testkit.eventually import wait_until
from testkit.servers.process import ServerProcess, free_port
from tests.compose.api import call

KINDS = ("email", "push")


@dataclass
class Providers:
    """`environment` is what compose needs to send the workers here."""

    url: str
    environment: dict[str, str]
    _seen: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    def taken(self) -> list[tuple[datetime, str]]:
        """What was taken since the last question: when, and of which notification."""
        found: list[tuple[datetime, str]] = []
        for kind in KINDS:
            answer = call("GET", f"{self.url}/api/arrivals?kind={kind}&after={self._seen[kind]}")
            rows: list[dict[str, Any]] = answer["arrivals"]
            self._seen[kind] = rows[-1]["id"] if rows else self._seen[kind]
            found += [
                (datetime.fromisoformat(row["received_at"]), row["key"].strip("<>").split("@")[0]) for row in rows
            ]
        return sorted(found)


@contextmanager
def running_providers() -> Iterator[Providers]:
    smtp, http = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="providers-") as name:
        folder, log = Path(name), Path(name) / "providers.log"
        ports = ["--host", "0.0.0.0", "--smtp-port", str(smtp), "--http-port", str(http), "--apns-port", "0"]
        options = [*ports, "--public-url", f"http://providers:{http}", "--data", str(folder / "data")]
        kept = ["--keep", "5000000", "--no-journal"]
        process = ServerProcess([sys.executable, "-m", "devstack.simulators", *options, *kept], log)
        try:
            wait_until(lambda: "base_url" in log.read_text(), 30, "the simulators")
            account = json.loads(log.read_text().splitlines()[0])["service_account"]
            environment = {
                "PROVIDERS_SMTP_PORT": str(smtp),
                "PROVIDERS_HTTP_PORT": str(http),
                "PROVIDERS_SERVICE_ACCOUNT": Path(account).read_text(),
            }
            yield Providers(f"http://127.0.0.1:{http}", environment)
        finally:
            process.stop()
