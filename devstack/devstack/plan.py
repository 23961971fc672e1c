"""Ports, folders, secrets and the first administrator of the embedded stack."""

import json
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"  # the embedded stack has known credentials, so only this machine can reach it
ADMIN_EMAIL = "admin@example.com"
ADMIN_PASSWORD = "embedded-admin"  # noqa: S105 - of the embedded mode alone, printed at its start
SERVICES = ("api-gateway", "user-service", "template-service", "email-service", "push-service")


class StackError(Exception):
    """The reason why the stack cannot run, as a message for people."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The documented ports, all shifted by the same offset."""

    gateway: int = 8000
    users: int = 8001
    templates: int = 8002
    email: int = 8003
    push: int = 8004
    smtp: int = 1025
    inbox: int = 8025
    console: int = 8080

    @classmethod
    def with_offset(cls, offset: int) -> "Ports":
        base = cls()
        return cls(*(getattr(base, name) + offset for name in cls.__slots__))

    def named(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in type(self).__slots__}

    def refuse_taken(self) -> None:
        """Raises StackError with all ports that another program uses."""
        taken = [f"{port} ({name})" for name, port in self.named().items() if _is_taken(port)]
        if taken:
            raise StackError(
                f"These ports are in use: {', '.join(taken)}.\n"
                "Stop the program that uses them (is the stack running already?), or use other ports: "
                "make up ARGS='--port-offset 100 --data DIR'"
            )


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


@dataclass(frozen=True, slots=True)
class Secrets:
    """This installation's secrets. They are created at the first start and stored in the data folder."""

    secret_key: str

    @classmethod
    def kept_in(cls, folder: Path) -> "Secrets":
        """Raises StackError."""
        file = folder / "secrets.json"
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(json.dumps({"secret_key": secrets.token_urlsafe(48)}))
        try:
            return cls(json.loads(file.read_text())["secret_key"])
        except (ValueError, KeyError, TypeError):
            raise StackError(f"{file} is damaged: restore it, or begin anew without {folder}") from None

    @property
    def console_secret_key(self) -> str:
        return f"console-{self.secret_key}"
