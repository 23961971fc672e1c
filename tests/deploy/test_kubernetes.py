"""k8s/ is what a cluster takes, and its parts fit each other: nothing here needs a cluster."""

import json
import re
from typing import Any

import pytest

from console.main import create_app
from console.settings import ConsoleSettings
from contracts.topology import queues_of
from tests.deploy.manifests import (
    EXAMPLE,
    FOLDER,
    FOREIGN_SECRETS,
    ROOT,
    SERVICES,
    STORING,
    Document,
    container,
    documents,
    environment,
    example_secrets,
    identity,
    kustomization,
    named,
    pod_labels,
    pod_spec,
    service_of,
    workloads,
)

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def test_the_kustomization_takes_every_file_but_the_example_secrets() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization()["resources"]) == files
    assert EXAMPLE.parent != FOLDER, "`kubectl apply -f k8s/` would put placeholders over real secrets"


def test_everything_is_in_the_namespace_once() -> None:
    every = [identity(document) for document in documents()]
    assert len(every) == len(set(every))
    homeless = [document for document in documents() if document["metadata"].get("namespace") != "notifications"]
    assert [identity(document) for document in homeless] == ["Namespace/notifications"]


def test_every_service_has_what_it_runs_on() -> None:
    for kind in ("Deployment", "Service", "PodDisruptionBudget"):
        assert set(SERVICES) <= {document["metadata"]["name"] for document in documents(kind)}
    assert {f"migrate-{name}" for name in STORING} == {job["metadata"]["name"] for job in documents("Job")}


def test_scaling_is_left_to_one_autoscaler_each() -> None:
    scalers = documents("HorizontalPodAutoscaler") + documents("ScaledObject")
    assert sorted(scaler["spec"]["scaleTargetRef"]["name"] for scaler in scalers) == sorted(SERVICES)
    for scaler in scalers:
        assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", **_name_of(scaler)}
        least, most = (
            (scaler["spec"].get(f"{end}Replicas") or scaler["spec"][f"{end}ReplicaCount"]) for end in ("min", "max")
        )
        assert 2 <= least < most, "one pod more than a disruption may take down"
    for deployment in documents("Deployment"):
        assert "replicas" not in deployment["spec"], "applying would undo what the autoscaler decided"
        assert "cpu" in container(deployment)["resources"]["requests"], "utilization is a share of the request"


def test_the_workers_scale_on_the_queues_they_read() -> None:
    queues = {
        scaler["metadata"]["name"]: {trigger["metadata"]["queueName"] for trigger in scaler["spec"]["triggers"]}
        for scaler in documents("ScaledObject")
    }
    assert queues == {"email-worker": set(queues_of("email")), "push-worker": set(queues_of("push"))}
    for trigger in (trigger for scaler in documents("ScaledObject") for trigger in scaler["spec"]["triggers"]):
        reference = trigger["authenticationRef"]["name"]
        for secret in named("TriggerAuthentication", reference)["spec"]["secretTargetRef"]:
            assert secret["key"] in FOREIGN_SECRETS[secret["name"]]


@pytest.mark.parametrize("kind", ["Service", "Deployment", "PodDisruptionBudget"])
def test_selectors_pick_the_pods_of_their_own_deployment_and_no_others(kind: str) -> None:
    pods = {workload["metadata"]["name"]: pod_labels(workload) for workload in workloads()}
    pods["rabbitmq"] = {"app.kubernetes.io/name": "rabbitmq", "app.kubernetes.io/component": "rabbitmq"}
    for document in documents(kind):
        selector = document["spec"]["selector"]
        wanted = selector if kind == "Service" else selector["matchLabels"]
        picked = [name for name, labels in pods.items() if wanted.items() <= labels.items()]
        assert picked == [document["metadata"]["name"]]


def test_services_and_the_ingress_lead_to_ports_that_there_are() -> None:
    for service in documents("Service"):
        deployment = named("Deployment", service["metadata"]["name"])
        ports = {port["name"]: port["containerPort"] for port in container(deployment)["ports"]}
        port, *others = service["spec"]["ports"]
        assert {other["targetPort"] for other in others} <= ports.keys()
        expected = service_of(deployment).port
        assert (port["port"], ports[port["targetPort"]], environment(deployment)["PORT"]) == (
            expected,
            expected,
            str(expected),
        )
        annotations = deployment["spec"]["template"]["metadata"]["annotations"]
        assert annotations["prometheus.io/port"] == str(expected)
    for rule in documents("Ingress")[0]["spec"]["rules"]:
        for path in rule["http"]["paths"]:
            backend = path["backend"]["service"]
            assert backend["port"]["name"] in {
                port["name"] for port in named("Service", backend["name"])["spec"]["ports"]
            }


def test_clients_reach_the_api_and_its_pages_but_not_the_metrics() -> None:
    rules = documents("Ingress")[0]["spec"]["rules"][0]["http"]["paths"]
    assert {rule["backend"]["service"]["name"] for rule in rules} == {"api-gateway"}
    paths = [*_openapi("api-gateway")["paths"], "/openapi.json", "/docs", "/docs/assets/swagger-ui.css", "/api/docs"]
    probes = {"/health/live", "/health/readiness"}  # for the node, which asks the pod itself
    assert [path for path in paths if not _leads(rules, path)] == sorted(probes)
    assert not _leads(rules, "/metrics")


@pytest.mark.parametrize("deployment", documents("Deployment"), ids=identity)
def test_probes_ask_what_the_service_answers(deployment: Document) -> None:
    answered = _openapi(service_of(deployment).folder)["paths"]
    for probe in PROBES:
        request = container(deployment)[probe]["httpGet"]
        assert request["port"] == "http"
        assert "get" in answered[request["path"]]
    assert container(deployment)["readinessProbe"]["httpGet"]["path"] == "/health/readiness"
    assert container(deployment)["livenessProbe"]["httpGet"]["path"] == "/health/live", (
        "a dependency that is down is no reason to restart"
    )


@pytest.mark.parametrize("workload", workloads(), ids=identity)
def test_every_container_is_locked_down(workload: Document) -> None:
    spec, only = pod_spec(workload), container(workload)
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (
        spec["securityContext"].items()
        >= {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        }.items()
    )
    assert spec["automountServiceAccountToken"] is False
    assert named("ServiceAccount", spec["serviceAccountName"])["automountServiceAccountToken"] is False
    assert {"requests", "limits"} == set(only["resources"])
    assert {"cpu", "memory"} == set(only["resources"]["requests"])
    assert "memory" in only["resources"]["limits"]
    assert {mount["name"] for mount in only["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


def test_images_are_the_folders_and_have_a_version() -> None:
    images = {image["name"]: image["newTag"] for image in kustomization()["images"]}
    assert set(images) == {f"ghcr.io/example/notification-{service.folder}" for service in SERVICES.values()}
    for workload in workloads():
        name, tag = container(workload)["image"].rsplit(":", 1)
        assert name == f"ghcr.io/example/notification-{service_of(workload).folder}"
        assert tag == images[name], "`apply -f` and `apply -k` would run different versions"
    broker = named("RabbitmqCluster", "rabbitmq")["spec"]["image"]
    version = re.fullmatch(r"rabbitmq:(\d+)\.(\d+)\.\d+-management", broker)
    assert version, broker
    assert (int(version[1]), int(version[2])) >= (4, 3), "quorum queues have strict priorities from 4.3"
    assert not any(tag == "latest" for tag in images.values())


def test_a_migration_runs_the_image_and_the_settings_of_its_service() -> None:
    for job in documents("Job"):
        service, only = service_of(job), container(job)
        deployment = named("Deployment", job["metadata"]["name"].removeprefix("migrate-"))
        assert only["command"] == ["python", "-m", service.module, "migrate"]
        assert (ROOT / service.folder / service.module / "__main__.py").exists()
        assert only["image"] == container(deployment)["image"]
        assert environment(job) == environment(deployment)
        assert job["spec"]["ttlSecondsAfterFinished"] > 0
        assert job["spec"]["activeDeadlineSeconds"] < 360, "the deploy workflow waits six minutes"


@pytest.mark.parametrize("deployment", documents("Deployment"), ids=identity)
def test_a_rollout_takes_no_pod_away_before_its_successor_is_ready(deployment: Document) -> None:
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    spread = pod_spec(deployment)["topologySpreadConstraints"]
    assert {rule["topologyKey"] for rule in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    for rule in spread:
        assert rule["labelSelector"]["matchLabels"].items() <= pod_labels(deployment).items()


@pytest.mark.parametrize("deployment", documents("Deployment"), ids=identity)
def test_a_stopping_pod_has_the_time_it_needs(deployment: Document) -> None:
    source = (ROOT / "libs/chassis/chassis/server/run.py").read_text()
    (http,) = re.findall(r"timeout_graceful_shutdown=(\d+)", source)
    drain = environment(deployment).get("DRAIN_SECONDS")
    pause = container(deployment).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    needed = pause + int(http) + (float(drain) if isinstance(drain, str) else 0)
    assert pod_spec(deployment)["terminationGracePeriodSeconds"] >= needed + 20, "and its servers are let go of"
    routed = pod_labels(deployment)["app.kubernetes.io/component"] in {"api", "console"}
    assert bool(pause) == routed, "a Service goes on sending requests for a moment"


@pytest.mark.parametrize("workload", workloads(), ids=identity)
def test_every_secret_that_is_read_is_in_the_example(workload: Document) -> None:
    known = {name: set(keys) for name, keys in example_secrets().items()} | FOREIGN_SECRETS
    for value in environment(workload).values():
        assert isinstance(value, str) or value.key in known[value.secret]
    for volume in pod_spec(workload)["volumes"]:
        assert "secret" not in volume or volume["secret"]["secretName"] in known


def test_the_example_has_no_secret_that_nobody_reads() -> None:
    read_keys = {
        (value.secret, value.key)
        for workload in workloads()
        for value in environment(workload).values()
        if not isinstance(value, str)
    }
    mounted = {
        volume["secret"]["secretName"]
        for workload in workloads()
        for volume in pod_spec(workload)["volumes"]
        if "secret" in volume
    }
    for secret, keys in example_secrets().items():
        assert secret in mounted or {(secret, key) for key in keys} <= read_keys, secret


def _openapi(folder: str) -> dict[str, Any]:
    if folder == "console":  # its pages are no API; its probes are in the document that it would have
        return create_app(ConsoleSettings(_env_file=None)).openapi()
    document: dict[str, Any] = json.loads((ROOT / folder / "openapi.json").read_text())
    return document


def _name_of(document: Document) -> dict[str, str]:
    return {"name": document["metadata"]["name"]}


def _leads(rules: list[Document], path: str) -> bool:
    return any(
        path == rule["path"] or (rule["pathType"] == "Prefix" and path.startswith(f"{rule['path']}/")) for rule in rules
    )
