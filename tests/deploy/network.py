"""What k8s/network-policies.yaml lets through: Kubernetes' rules for NetworkPolicies, as far as they are used there."""

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from tests.deploy.manifests import Document, documents

NAMESPACE = "notifications"
Rule = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """One end of a connection: a pod, or an address outside the cluster."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    namespace: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    address: str = ""

    @property
    def is_ours(self) -> bool:
        return self.namespace.get("kubernetes.io/metadata.name") == NAMESPACE


def lets_through(source: Place, target: Place, port: int, protocol: str = "TCP") -> bool:
    """A connection needs the leave of the policies at both ends; an end that no policy selects allows everything."""
    return _allows("Egress", source, target, target, (port, protocol)) and _allows(
        "Ingress", target, source, target, (port, protocol)
    )


def _allows(direction: str, end: Place, peer: Place, target: Place, port: tuple[int, str]) -> bool:
    if not end.is_ours:
        return True
    policies = [policy for policy in policies_of(end) if direction in policy["spec"]["policyTypes"]]
    rules = [rule for policy in policies for rule in policy["spec"].get(direction.lower()) or []]
    key = "to" if direction == "Egress" else "from"
    allowed = any(_names_peer(rule, key, peer) and _names_port(rule, target, *port) for rule in rules)
    return allowed or not policies


def policies_of(pod: Place) -> list[Document]:
    return [policy for policy in documents("NetworkPolicy") if matches(policy["spec"]["podSelector"], pod.labels)]


def _names_peer(rule: Rule, key: str, peer: Place) -> bool:
    return key not in rule or any(_is_peer(selector, peer) for selector in rule[key])


def _is_peer(selector: Rule, peer: Place) -> bool:
    if "ipBlock" in selector:
        return bool(peer.address) and _in_block(selector["ipBlock"], peer.address)
    if peer.address:
        return False
    same_namespace = peer.is_ours if "namespaceSelector" not in selector else True
    in_namespace = matches(selector.get("namespaceSelector", {}), peer.namespace)
    return same_namespace and in_namespace and matches(selector.get("podSelector", {}), peer.labels)


def _in_block(block: Rule, address: str) -> bool:
    inside = ip_address(address) in ip_network(block["cidr"])
    return inside and not any(ip_address(address) in ip_network(hole) for hole in block.get("except", []))


def _names_port(rule: Rule, target: Place, port: int, protocol: str) -> bool:
    for named in rule.get("ports", []):
        first = target.ports.get(named["port"], -1) if isinstance(named["port"], str) else named["port"]
        if first <= port <= named.get("endPort", first) and named["protocol"] == protocol:
            return True
    return "ports" not in rule


def matches(selector: Rule, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    among = [(rule["key"], rule["values"]) for rule in selector.get("matchExpressions", []) if rule["operator"] == "In"]
    assert len(among) == len(selector.get("matchExpressions", [])), "another operator: teach it here first"
    return all(labels.get(key) == value for key, value in wanted) and all(
        labels.get(key) in values for key, values in among
    )
