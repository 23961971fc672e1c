"""Who may talk to whom in the cluster: exactly those who have to."""

import pytest

from tests.deploy.manifests import (
    SERVICES,
    Document,
    container,
    documents,
    environment,
    identity,
    pod_labels,
    workloads,
)
from tests.deploy.network import NAMESPACE, Place, lets_through, policies_of

OURS = {"kubernetes.io/metadata.name": NAMESPACE}
INSIDE = {
    workload["metadata"]["name"]: Place(
        workload["metadata"]["name"],
        pod_labels(workload),
        OURS,
        {port["name"]: port["containerPort"] for port in container(workload).get("ports", [])},
    )
    for workload in workloads()
}
# What the operator labels its pods with.
INSIDE["rabbitmq"] = Place(
    "rabbitmq", {"app.kubernetes.io/name": "rabbitmq", "app.kubernetes.io/component": "rabbitmq"}, OURS
)
BROKER_PORTS = (4369, 5672, 15672, 15692, 25672, 35672, 35682)
BOUNCES = 2525
PORTS = (*(service.port for service in SERVICES.values()), *BROKER_PORTS, BOUNCES, 22, 80, 443, 5432, 6379)
ROLE = "notifications.example.com/role"
OUTSIDE = {
    "ingress": Place("ingress", {}, {ROLE: "ingress"}),
    "monitoring": Place("monitoring", {}, {ROLE: "monitoring"}),
    "mail": Place("mail", {}, {ROLE: "mail"}),
    "keda": Place("keda", {}, {"kubernetes.io/metadata.name": "keda"}),
    "rabbitmq-system": Place("rabbitmq-system", {}, {"kubernetes.io/metadata.name": "rabbitmq-system"}),
    # A stranger who has taken the labels of our pods, in a namespace of its own.
    "stranger": Place("stranger", pod_labels(workloads()[0]), {"kubernetes.io/metadata.name": "stranger"}),
}
DNS = Place("dns", {"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"})
DATABASE, INTERNET, METADATA = (
    Place(name, address=address)
    for name, address in (("database", "10.20.30.40"), ("internet", "142.250.74.42"), ("metadata", "169.254.169.254"))
)
NODES = {("rabbitmq", "rabbitmq", port) for port in (4369, 25672, 35672, 35682)}


def test_inside_exactly_those_talk_who_have_to() -> None:
    talk = {
        (source.name, target.name, port)
        for source in INSIDE.values()
        for target in INSIDE.values()
        for port in PORTS
        if lets_through(source, target, port)
    }
    assert talk == NODES | {
        ("api-gateway", "user-service", 8001),
        ("api-gateway", "template-service", 8002),
        ("api-gateway", "email-worker", 8003),
        ("api-gateway", "push-worker", 8004),
        ("api-gateway", "rabbitmq", 5672),
        ("user-service", "api-gateway", 8000),
        ("user-service", "push-worker", 8004),
        ("console", "api-gateway", 8000),
        ("template-service", "user-service", 8001),
        ("email-worker", "api-gateway", 8000),
        ("email-worker", "user-service", 8001),
        ("email-worker", "template-service", 8002),
        ("email-worker", "rabbitmq", 5672),
        ("push-worker", "api-gateway", 8000),
        ("push-worker", "user-service", 8001),
        ("push-worker", "template-service", 8002),
        ("push-worker", "rabbitmq", 5672),
    }


@pytest.mark.parametrize("deployment", documents("Deployment"), ids=identity)
def test_whoever_is_told_an_address_may_go_there(deployment: Document) -> None:
    source, given = INSIDE[deployment["metadata"]["name"]], environment(deployment)
    for variable, target, port in (
        ("API_GATEWAY_URL", INSIDE["api-gateway"], 8000),
        ("USER_SERVICE_URL", INSIDE["user-service"], 8001),
        ("TEMPLATE_SERVICE_URL", INSIDE["template-service"], 8002),
        ("EMAIL_SERVICE_URL", INSIDE["email-worker"], 8003),
        ("PUSH_SERVICE_URL", INSIDE["push-worker"], 8004),
        ("RABBITMQ_URL", INSIDE["rabbitmq"], 5672),
        ("DATABASE_URL", DATABASE, 5432),
        ("REDIS_URL", DATABASE, 6379),
    ):
        assert lets_through(source, target, port) == (variable in given), variable


def test_from_outside_only_what_is_for_them_can_be_reached() -> None:
    reached = {
        (source.name, target.name, port)
        for source in OUTSIDE.values()
        for target in INSIDE.values()
        for port in PORTS
        if lets_through(source, target, port)
    }
    assert reached == {("monitoring", name, service.port) for name, service in SERVICES.items()} | {
        ("monitoring", "rabbitmq", 15692),
        ("ingress", "api-gateway", 8000),
        ("ingress", "console", 8080),
        ("mail", "email-worker", BOUNCES),
        ("keda", "rabbitmq", 5672),
        ("rabbitmq-system", "rabbitmq", 15672),
    }


def test_only_the_workers_reach_the_internet_and_none_the_clouds_metadata() -> None:
    ports = (22, 25, 80, 443, 465, 587, 5432, 6379)
    reached = {(name, port) for name, pod in INSIDE.items() for port in ports if lets_through(pod, INTERNET, port)}
    assert reached == {("push-worker", 443), *(("email-worker", port) for port in (25, 443, 465, 587))}
    assert not any(lets_through(pod, METADATA, port) for pod in INSIDE.values() for port in ports)


def test_migrations_reach_their_databases_and_nothing_else() -> None:
    for name in (name for name in INSIDE if name.startswith("migrate-")):
        assert lets_through(INSIDE[name], DATABASE, 5432)
        assert not lets_through(INSIDE[name], DATABASE, 6379)


@pytest.mark.parametrize(
    "pod", [*INSIDE.values(), Place("one that nobody thought of", {}, OURS)], ids=lambda pod: pod.name
)
def test_every_pod_is_isolated_and_may_ask_for_names(pod: Place) -> None:
    assert {kind for policy in policies_of(pod) for kind in policy["spec"]["policyTypes"]} == {"Ingress", "Egress"}
    assert lets_through(pod, DNS, 53, "UDP")
    assert lets_through(pod, DNS, 53, "TCP")
    assert not lets_through(pod, INTERNET, 53, "UDP")


def test_no_policy_is_for_pods_that_do_not_exist() -> None:
    used = {policy["metadata"]["name"] for pod in INSIDE.values() for policy in policies_of(pod)}
    assert used == {policy["metadata"]["name"] for policy in documents("NetworkPolicy")}
