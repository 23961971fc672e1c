"""The metrics that really exist, with their labels: in the registries of the five apps, in RabbitMQ, in Prometheus itself."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import yaml
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from console.main import create_app
from console.settings import ConsoleSettings
from contracts.recipients import CHANNELS
from contracts.status import Status
from contracts.topology import TOPOLOGY
from delivery.metrics import ANSWERS, STATES
from devstack.openapi import apps
from tests.deploy.promql import Labels, Matcher, Query, Selector

ROOT = Path(__file__).parent.parent.parent
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = PROMETHEUS / "rules"
TARGET = frozenset({"job", "instance"})  # every scraped series gets these
Metrics = Mapping[str, Labels]

# The workers are deployed under the names that compose gives them.
JOBS = {"email-service": "email-worker", "push-service": "push-worker"}
# Of RabbitMQ 3.10 and later; a test compares them with a running one.
RABBITMQ: Metrics = {
    "rabbitmq_alarms_memory_used_watermark": frozenset(),
    "rabbitmq_alarms_free_disk_space_watermark": frozenset(),
    "rabbitmq_process_resident_memory_bytes": frozenset(),
    "rabbitmq_resident_memory_limit_bytes": frozenset(),
    "rabbitmq_disk_space_available_bytes": frozenset(),
    "rabbitmq_disk_space_available_limit_bytes": frozenset(),
    "rabbitmq_detailed_queue_messages_unacked": frozenset({"vhost", "queue"}),
}
# Made by Prometheus for every target and every alert.
OWN: Metrics = {"up": TARGET, "ALERTS": frozenset({"alertname", "alertstate", "severity"})}
SUFFIXES = {
    "counter": {"_total": frozenset()},
    "gauge": {"": frozenset()},
    "histogram": {"_bucket": frozenset({"le"}), "_count": frozenset(), "_sum": frozenset()},
}


@cache
def scraped() -> Mapping[str, Metrics]:
    """Job → what its `/metrics` has."""
    services = {JOBS.get(name, name): exposed_by(app) for name, app in real_apps().items()}
    return {**services, "rabbitmq": RABBITMQ, "rabbitmq-queues": RABBITMQ, "prometheus": {}}


@cache
def real_apps() -> Mapping[str, FastAPI]:
    """Built, not started. Each has answered one request: its middleware makes its metrics then."""

    async def ask() -> dict[str, FastAPI]:
        built = {**apps(), "console": create_app(ConsoleSettings(_env_file=None))}
        for app in built.values():
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://service") as http:
                assert (await http.get("/metrics")).status_code == 200
        return built

    return asyncio.run(ask())


def exposed_by(app: FastAPI) -> Metrics:
    """By name; labelled ones too that have no series yet."""
    registry: CollectorRegistry = app.state.metrics
    found: dict[str, Labels] = {}
    for collector in list(registry._collector_to_names):
        if isinstance(collector, MetricWrapperBase):
            for suffix, labels in SUFFIXES[collector._type].items():
                found[collector._name + suffix] = frozenset(collector._labelnames) | labels
        else:
            for family in collector.collect():
                found.update({sample.name: frozenset(sample.labels) for sample in family.samples})
    return found


@cache
def values() -> Mapping[str, frozenset[str]]:
    """Label → the values it can have, for the labels whose values are fixed."""
    paths = {path for app in real_apps().values() for path in app.openapi()["paths"]}
    internal = {one.path for app in real_apps().values() for one in iter_route_contexts(app.router.routes) if one.path}
    breakers = {
        sample.labels["name"]
        for app in real_apps().values()
        for family in app.state.metrics.collect()
        for sample in family.samples
        if family.name == "circuit_breaker_state"
    }
    return {
        "job": frozenset(scraped()),
        "route": frozenset(paths | internal | {"unmatched"}),
        "method": frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "OTHER"}),
        "name": frozenset(breakers),
        "queue": frozenset(queue.name for queue in TOPOLOGY.queues),
        "type": frozenset(CHANNELS),
        "answer": frozenset(ANSWERS),
        "status": frozenset({*Status, *STATES, "2xx", "3xx", "4xx", "5xx"}),
        "alertstate": frozenset({"pending", "firing"}),
    }


def rules(name: str) -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load((RULES / name).read_text())["groups"]:
        yield from group["rules"]


@cache
def recorded() -> Metrics:
    """What the recording rules make. A rule may use what a rule before it made."""
    made: dict[str, Labels] = {}
    for rule in rules("recording.yml"):
        query = Query(rule["expr"], lambda selector: labels_of(selector, made))
        made[rule["record"]] = query.labels | frozenset(rule.get("labels", ()))
    return made


def labels_of(selector: Selector, made: Metrics | None = None) -> Labels:
    """The labels of what `selector` asks for. Raises LookupError when no such series can exist."""
    own = {**OWN, **(recorded() if made is None else made)}
    labels = own[selector.metric] if selector.metric in own else _scraped_labels(selector) | TARGET
    for matcher in selector.matchers:
        if matcher.label not in labels:
            raise LookupError(f"{selector.metric} has no label {matcher.label}")
        _check_value(selector.metric, matcher)
    return labels


def _scraped_labels(selector: Selector) -> Labels:
    """Every job that is named must have it; when none is named, any may."""
    named = [job for matcher in selector.matchers if matcher.label == "job" for job in alternatives(matcher)]
    jobs = [job for job in named if "$" not in job] or [
        job for job, metrics in scraped().items() if selector.metric in metrics
    ]
    if not jobs:
        raise LookupError(f"nothing has a metric {selector.metric}")
    for job in jobs:
        if selector.metric not in scraped().get(job, {}):
            raise LookupError(f"{job} has no metric {selector.metric}")
    return frozenset.intersection(*(scraped()[job][selector.metric] for job in jobs))


def _check_value(metric: str, matcher: Matcher) -> None:
    possible = values().get(matcher.label)
    for wanted in alternatives(matcher) if possible is not None else ():
        pattern = wanted if "~" in matcher.operator else re.escape(wanted)
        if "$" not in wanted and not any(re.fullmatch(pattern, value) for value in possible or ()):
            raise LookupError(f"{metric}: {matcher.label} is never {wanted!r}")


def alternatives(matcher: Matcher) -> list[str]:
    return matcher.value.split("|") if "~" in matcher.operator else [matcher.value]
