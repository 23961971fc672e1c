"""Reads k8s/ as `kubectl apply -k k8s/` would, for the tests.

`python -m tests.deploy.manifests` writes the ConfigMaps' checksums into the pod templates.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from api_gateway.settings import GatewaySettings
from chassis.settings import ServiceSettings
from console.settings import ConsoleSettings
from email_service.settings import EmailSettings
from push_service.settings import PushSettings
from template_service.settings import TemplateSettings
from user_service.settings import UserSettings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "k8s"
EXAMPLE = FOLDER / "secrets" / "secrets.example.yaml"
CHECKSUM = "checksum/config"
Document = dict[str, Any]


@dataclass(frozen=True)
class Service:
    folder: str
    module: str
    settings: type[ServiceSettings]
    port: int


# By the name of the Deployment.
SERVICES = {
    "api-gateway": Service("api-gateway", "api_gateway", GatewaySettings, 8000),
    "user-service": Service("user-service", "user_service", UserSettings, 8001),
    "template-service": Service("template-service", "template_service", TemplateSettings, 8002),
    "email-worker": Service("email-service", "email_service", EmailSettings, 8003),
    "push-worker": Service("push-service", "push_service", PushSettings, 8004),
    "console": Service("console", "console", ConsoleSettings, 8080),
}
STORING = SERVICES.keys() - {"console"}  # those with a database, and so with migrations
# Made in the cluster by others: secret → keys.
FOREIGN_SECRETS = {"rabbitmq-default-user": {"connection_string", "username", "password", "host", "port"}}


class _Loader(yaml.SafeLoader):
    """Refuses a key that is written twice, of which YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"written twice: {twice}", node.start_mark)
        return super().construct_mapping(node, deep)


@cache
def read(path: Path) -> list[Document]:
    return [document for document in yaml.load_all(path.read_text(), _Loader) if document is not None]


def kustomization() -> Document:
    (document,) = read(FOLDER / "kustomization.yaml")
    return document


def documents(kind: str | None = None) -> list[Document]:
    """What is applied, in the order of the kustomization."""
    every = [document for name in kustomization()["resources"] for document in read(FOLDER / name)]
    return [document for document in every if kind in {None, document["kind"]}]


def named(kind: str, name: str) -> Document:
    (found,) = [document for document in documents(kind) if document["metadata"]["name"] == name]
    return found


def identity(document: Document) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def workloads() -> list[Document]:
    return documents("Deployment") + documents("Job")


def pod_spec(workload: Document) -> Document:
    spec: Document = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Document) -> Document:
    containers: list[Document] = pod_spec(workload)["containers"]
    (only,) = containers
    return only


def pod_labels(workload: Document) -> dict[str, str]:
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def service_of(workload: Document) -> Service:
    """The service whose code it runs: `email-worker` and `migrate-email-worker` are the e-mail service's."""
    return SERVICES[workload["metadata"]["name"].removeprefix("migrate-")]


@dataclass(frozen=True)
class SecretKey:
    """A value that comes from a Secret."""

    secret: str
    key: str
    optional: bool = False


def environment(workload: Document) -> dict[str, str | SecretKey]:
    """Variable → its value, or the key of the Secret that has it; as the container gets them."""
    given: dict[str, str | SecretKey] = {}
    for source in container(workload)["envFrom"]:
        given.update(named("ConfigMap", source["configMapRef"]["name"])["data"])
    for variable in container(workload)["env"]:
        reference = variable["valueFrom"]["secretKeyRef"]
        given[variable["name"]] = SecretKey(reference["name"], reference["key"], reference.get("optional", False))
    return given


def example_secrets() -> dict[str, dict[str, str]]:
    return {document["metadata"]["name"]: document["stringData"] for document in read(EXAMPLE)}


def config_checksum(workload: Document) -> str:
    """Of every ConfigMap value that the workload reads: another one is another pod template, so a rollout."""
    values = {name: value for name, value in environment(workload).items() if isinstance(value, str)}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _stamps() -> Iterator[tuple[Path, str]]:
    for workload in documents("Deployment"):
        yield FOLDER / f"{workload['metadata']['name']}.yaml", config_checksum(workload)


def stamp() -> None:
    for path, checksum in _stamps():
        path.write_text(re.sub(rf"({CHECKSUM}: ).*", rf"\g<1>{checksum}", path.read_text()))


if __name__ == "__main__":
    stamp()
