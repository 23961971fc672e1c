"""Dashboards ask for what exists, and for nothing else."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.metric_names import ROOT, labels_of, recorded, rules, scraped
from tests.deploy.promql import Query, Selector

GRAFANA = ROOT / "deploy" / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
DASHBOARDS = [pytest.param(json.loads(path.read_text()), id=path.stem) for path in FILES]


def _targets(dashboard: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_every_query_asks_for_metrics_labels_and_values_that_exist(dashboard) -> None:
    for title, expression, legend in _targets(dashboard):
        query = Query(expression, labels_of)
        named = set(re.findall(r"\{\{(\w+)\}\}", legend))
        assert named <= query.labels, f"{title}: the legend names labels that {expression} does not leave"


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_series_of_one_panel_can_be_told_apart(dashboard) -> None:
    for title, expression, legend in _targets(dashboard):
        untold = Query(expression, labels_of).labels - set(re.findall(r"\{\{(\w+)\}\}", legend))
        assert untold <= {"job"}, f"{title}: an instance tells its job"


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_variables_take_their_values_from_labels_that_exist(dashboard) -> None:
    variables = {one["name"]: one for one in dashboard["templating"]["list"]}
    assert variables.pop("datasource")["type"] == "datasource"
    for variable in variables.values():
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]).groups()
        assert label in labels_of(Selector(metric, ()))
    used = set(re.findall(r"\$(\w+)", " ".join(expression for _, expression, _ in _targets(dashboard))))
    assert used - {"__rate_interval"} == set(variables), "every variable is used, and every one that is used is there"


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_every_panel_asks_the_chosen_data_source_and_has_a_place_of_its_own(dashboard) -> None:
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"${datasource}"}
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
    identifiers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(identifiers)) == len(identifiers)


def test_dashboards_keep_their_addresses() -> None:
    assert {path.stem: json.loads(path.read_text())["uid"] for path in FILES} == {
        "overview": "notifications-overview",
        "delivery": "notifications-delivery",
        "services": "notifications-services",
    }


def test_the_data_source_is_provisioned_under_the_name_that_the_dashboards_prefer() -> None:
    given = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    wanted = {
        one["current"]["value"]
        for path in FILES
        for one in json.loads(path.read_text())["templating"]["list"]
        if one["name"] == "datasource"
    }
    assert wanted == {source["uid"] for source in given}


def test_every_recorded_series_is_asked_for() -> None:
    """A rule that nobody reads costs Prometheus and misleads whoever changes it."""
    texts = [path.read_text() for path in FILES] + [
        rule["expr"] for name in ("recording.yml", "alerts.yml") for rule in rules(name)
    ]
    for name in recorded():
        assert any(name in text for text in texts), name


def test_the_promised_metrics_are_exposed_by_who_promises_them() -> None:
    for name in ("notifications_total", "queue_size", "queue_consumers", "circuit_breaker_state"):
        for job in ("api-gateway", "email-worker", "push-worker"):
            assert name in scraped()[job], (job, name)
    for job in ("api-gateway", "user-service", "template-service", "email-worker", "push-worker"):
        assert "http_request_duration_seconds_bucket" in scraped()[job]
        assert "process_cpu_seconds_total" in scraped()[job]


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("sum(rate(notification_total[5m]))", "nothing has a metric notification_total"),
        ('rate(logins_total{job="api-gateway"}[5m])', "api-gateway has no metric logins_total"),
        ('queue_size{channel="email"}', "queue_size has no label channel"),
        ("sum by (type) (queue_size)", "no label type"),
        ("max by (job, queue) (queue:queue_size:max)", "no label job"),
        ("histogram_quantile(0.95, sum by (type) (rate(provider_request_seconds_bucket[5m])))", "no label le"),
        ("queue_size > 1 and on (type) notifications_unaccounted", "no label type"),
        ('notifications_total{status="ready"}', "status is never 'ready'"),
        ('http_request_duration_seconds_count{route="/api/v1/notification"}', "route is never"),
        ('circuit_breaker_state{name=~"smtp|sms"}', "name is never 'sms'"),
    ],
)
def test_what_does_not_exist_is_noticed(expression: str, problem: str) -> None:
    with pytest.raises(LookupError, match=re.escape(problem)):
        Query(expression, labels_of)


@pytest.mark.parametrize(
    "expression", ["sum(", "queue_size)", "queue_size[5m] queue_size", "topk(3, queue_size)", "{a='b'}"]
)
def test_what_cannot_be_read_is_not_taken_for_good(expression: str) -> None:
    with pytest.raises(ValueError, match=r"understood|expected|ends too early|no metric"):
        Query(expression, labels_of)


def test_labels_and_functions_are_not_taken_for_metrics() -> None:
    asked: list[str] = []

    def note(selector: Selector) -> frozenset[str]:
        asked.append(selector.metric)
        return frozenset({"type", "le", "status"})

    query = Query(
        'histogram_quantile(0.9, sum by (type, le) (rate(a_bucket{status!~"x|y"}[$__rate_interval])))'
        " / on (type) (max(b) by (type) or 0 * c) # d\n > bool 0.5",
        note,
    )
    assert asked == ["a_bucket", "b", "c"]
    assert query.labels == {"type"}


def test_dashboards_are_where_compose_and_the_provider_look_for_them() -> None:
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/dashboards.yml").read_text())["providers"][0]
    mounts = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]["volumes"]
    mounted = {mount.split(":")[1]: Path(ROOT, mount.split(":")[0]) for mount in mounts if mount.startswith("./")}
    assert mounted[provider["options"]["path"]].resolve() == (GRAFANA / "dashboards").resolve()
    assert mounted["/etc/grafana/provisioning"].resolve() == (GRAFANA / "provisioning").resolve()
