"""The two sinks as processes, and their addresses for the services and the harness."""

import json
from pathlib import Path

from bench.children import Children
from bench.sinks.control import Remote
from devstack.simulators.oauth import write_service_account


class Providers:
    """`smtp` and `fcm` count the messages taken. `facts` are the values for the services' settings."""

    smtp: Remote
    fcm: Remote

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._children = Children(folder)
        self.facts: dict[str, str] = {}

    def start(self) -> None:
        for kind in ("smtp", "fcm"):
            self._children.start(f"{kind} sink", "bench.sinks", kind)
        smtp, fcm = (json.loads(self._children.said(f"{kind} sink")) for kind in ("smtp", "fcm"))
        self.smtp, self.fcm = Remote(smtp["control"]), Remote(fcm["control"])
        account = self._folder / "service-account.json"
        base_url = f"http://127.0.0.1:{fcm['port']}"
        write_service_account(account, base_url)
        self.facts = {
            "smtp_port": str(smtp["port"]), "fcm_port": str(fcm["port"]),
            "base_url": base_url, "service_account": str(account),
        }  # fmt: skip

    def for_channel(self, channel: str) -> Remote:
        return self.smtp if channel == "email" else self.fcm

    def reset(self) -> None:
        for sink in (self.smtp, self.fcm):
            sink.delay(0)
            sink.clear()

    def pids(self) -> dict[str, int]:
        return self._children.pids()

    def stop(self) -> None:
        for name in ("smtp", "fcm"):
            if name in self.__dict__:
                self.for_channel("email" if name == "smtp" else "push").close()
        self._children.stop()
