"""The alerts: valid, tried on series, about metrics that exist, and each with a section of the runbook."""

import asyncio
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
import yaml

from chassis.broker import RabbitBroker
from contracts.topology import TOPOLOGY
from devstack.openapi import apps
from testkit.eventually import eventually
from testkit.servers.process import free_port, require
from testkit.servers.rabbitmq import RabbitServer
from tests.deploy.compose import EVERY, production
from tests.deploy.manifests import container, documents, example_secrets, pod_labels
from tests.deploy.metric_names import OWN, PROMETHEUS, RABBITMQ, ROOT, labels_of, recorded, rules, scraped
from tests.deploy.promql import Query

RUNBOOK = tuple(ROOT / "docs" / "operations" / name for name in ("runbook.md", "runbook-services.md"))
ALERTS = [pytest.param(rule, id=rule["alert"]) for rule in rules("alerts.yml")]
TRIED = yaml.safe_load((PROMETHEUS / "tests" / "alerts_test.yml").read_text())["tests"]


def _installed(program: str, package: str) -> str:
    """In CI it is installed when it is missing; at a desk without it the test is skipped."""
    try:
        return require(program, package)
    except FileNotFoundError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


def _promtool(*arguments: str) -> None:
    done = subprocess.run(
        [_installed("promtool", "prometheus"), *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_configuration_and_the_rules(tmp_path: Path) -> None:
    """But not the files of credentials, which are only where it runs. Debian's promtool knows nothing of Kubernetes."""
    cluster = (PROMETHEUS / "kubernetes.yml").read_text().replace("kubernetes_sd_configs", "file_sd_configs")
    (tmp_path / "cluster.yml").write_text(
        cluster.replace("- role: pod\n        namespaces: {names: [notifications]}", "- files: [pods.json]")
    )
    _promtool("check", "config", "--syntax-only", "prometheus.yml", str(tmp_path / "cluster.yml"))
    _promtool("check", "rules", "--lint=all", "--lint-fatal", "rules/recording.yml", "rules/alerts.yml")


def test_every_alert_rings_when_it_must_and_keeps_still_otherwise() -> None:
    _promtool("test", "rules", "tests/alerts_test.yml")


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tried_on_series_that_fire_it_and_on_series_that_do_not(alert) -> None:
    expected = [
        bool(trial.get("exp_alerts"))
        for group in TRIED
        for trial in group["alert_rule_test"]
        if trial["alertname"] == alert["alert"]
    ]
    assert set(expected) == {True, False}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_asks_for_series_that_exist_and_names_labels_that_it_has(alert) -> None:
    labels = Query(alert["expr"], labels_of).labels
    told = alert["annotations"]
    assert set(re.findall(r"\$labels\.(\w+)", str(told))) <= labels
    assert "$value" in told["description"] or alert["alert"].endswith("Down"), "an up that is 0 or absent has no figure"
    assert alert["labels"]["severity"] in {"critical", "warning"}


def test_every_recording_rule_asks_for_series_that_exist() -> None:
    for name, labels in recorded().items():
        kept = name.split(":")[0].split("_")
        assert set(kept) == labels, f"{name}: its name says which labels it keeps"


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_runbook_section(alert) -> None:
    file, anchor = alert["annotations"]["runbook_url"].split("#")
    assert ROOT / file in RUNBOOK
    assert anchor == alert["alert"].lower()
    section = _sections(ROOT / file).get(alert["alert"], "")
    for part in ("**Means**", "**Look**", "**Do**"):
        assert part in section, f"{alert['alert']} has no {part}"


def test_every_section_under_alerts_is_an_alert() -> None:
    assert {name for file in RUNBOOK for name in _sections(file)} == {rule["alert"] for rule in rules("alerts.yml")}


def test_the_runbook_names_metrics_queues_and_paths_that_exist() -> None:
    text = _runbook()
    known = {metric for metrics in scraped().values() for metric in metrics} | set(OWN) | set(recorded())
    for name in re.findall(r"`([a-z]+(?:_[a-z]+)*_(?:total|seconds|size|consumers|state|unaccounted))\b", text):
        assert name in known or f"{name}_count" in known, name
    assert set(re.findall(r"\b[\w.]+\.queue\b", text)) <= {queue.name for queue in TOPOLOGY.queues}
    paths = {re.sub(r"\{\w+\}", "*", path) for app in apps().values() for path in app.openapi()["paths"]} | {"/metrics"}
    for path in re.findall(r"localhost:\d{4}(/[\w/$.-]*)", text):
        assert re.sub(r"\$\w+", "*", path.rstrip("/")) in paths, path


@pytest.mark.parametrize("service", ["api-gateway", "email-service", "user-service"])
async def test_the_runbooks_statements_fit_the_tables(databases, service) -> None:
    statements = re.findall(r'sql (\w+) "([^"]+)"', _runbook())
    assert {name for name, _ in statements} <= {"api_gateway", "email_service", "user_service", "postgres"}
    connection = await asyncpg.connect((await databases(ROOT / service / "alembic")).replace("+asyncpg", ""))
    try:
        for name, statement in statements:
            if name in {service.replace("-", "_"), "postgres"}:
                await connection.execute(statement)
    finally:
        await connection.close()


def test_every_service_is_scraped_where_compose_runs_it() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert {job["job_name"] for job in _jobs()} == set(scraped())
    for job in _jobs():
        for discovery in job.get("dns_sd_configs", ()):
            (name,) = discovery["names"]
            port = services[name].get("environment", {}).get("PORT")
            assert port is None or int(port) == discovery["port"], name


def test_prometheus_presents_the_token_that_the_services_metrics_want() -> None:
    """To ours and to nobody else. Prometheus reads it from a file, which its container writes from the same variable."""
    services = production()
    presented = {job["job_name"]: job["authorization"] for job in _jobs() if "authorization" in job}
    assert set(presented) == set(EVERY)
    assert {file["credentials_file"] for file in presented.values()} == {"/tmp/metrics-token"}
    prometheus = services["prometheus"]
    assert prometheus["entrypoint"][:2] == ["/bin/sh", "-c"]
    assert {services[name]["environment"]["METRICS_TOKEN"] for name in (*EVERY, "prometheus")} == {
        "${METRICS_TOKEN:?run make env}"
    }


def test_the_container_of_prometheus_writes_the_token_for_itself_and_then_is_prometheus(tmp_path: Path) -> None:
    """`$$` is compose's way to write `$`; the file is moved, and `prometheus` is a program that says what it was given."""
    shell, option, script, name = production()["prometheus"]["entrypoint"]
    file = tmp_path / "metrics-token"
    script = script.replace("$$", "$").replace("/tmp/metrics-token", str(file))
    (tmp_path / "prometheus").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "prometheus").chmod(0o755)
    environment = {"METRICS_TOKEN": "per%cent $token", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [shell, option, script, name, "--one", "--two words"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "--one --two words\n"
    assert file.read_text() == "per%cent $token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_prometheus_in_a_cluster_finds_the_pods_and_has_their_token() -> None:
    (job,) = yaml.safe_load((PROMETHEUS / "kubernetes.yml").read_text())["scrape_configs"]
    file = Path(job["authorization"]["credentials_file"])
    assert file.name in example_secrets()[file.parent.name]
    rules = {rule.get("target_label", rule["source_labels"][0]): rule for rule in job["relabel_configs"]}
    label, mark, port = (
        rules[name]
        for name in (
            "job",
            "__meta_kubernetes_pod_annotation_prometheus_io_scrape",
            "__meta_kubernetes_pod_container_port_name",
        )
    )
    assert label["source_labels"] == ["__meta_kubernetes_pod_label_app_kubernetes_io_name"]
    for deployment in documents("Deployment"):
        assert deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/scrape"] == mark["regex"]
        assert [one["name"] for one in container(deployment)["ports"]].count(port["regex"]) == 1
    assert {pod_labels(deployment)["app.kubernetes.io/name"] for deployment in documents("Deployment")} == set(EVERY)


async def test_rabbitmq_exposes_what_is_asked_of_it(tmp_path: Path) -> None:
    if os.environ.get("CI") != "true":
        pytest.skip("a RabbitMQ of its own is started in CI only")
    server = RabbitServer(tmp_path, metrics_port=(port := free_port()))
    await asyncio.to_thread(server.start)
    broker = RabbitBroker(server.url, TOPOLOGY, name="test")
    try:
        await broker.start()
        assert await broker.wait_connected(30), "it declares the queues"
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            found = await eventually(
                lambda: _figures(http), 30, until=lambda found: found.keys() >= set(RABBITMQ), every=0.2
            )
        assert {name: found[name] for name in RABBITMQ} == dict(RABBITMQ)
    finally:
        await broker.close()
        await asyncio.to_thread(server.stop)
        server.clean_up()


async def _figures(http: httpx2.AsyncClient) -> dict[str, frozenset[str]]:
    """Name → labels, from the paths that Prometheus is told to read."""
    found = {}
    for job in _jobs():
        if job["job_name"].startswith("rabbitmq"):
            text = (await http.get(job.get("metrics_path", "/metrics"), params=job.get("params"))).text
            for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? ", text, re.MULTILINE):
                found[name] = frozenset(re.findall(r'(\w+)="', labels))
    return found


def _jobs() -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    return jobs


def _runbook() -> str:
    return "\n".join(file.read_text() for file in RUNBOOK)


def _sections(file: Path) -> dict[str, str]:
    """The sections under the heading `Alerts` of a part of the runbook, by their headings."""
    alerts = file.read_text().split("\n## Alerts\n")[1].split("\n## ")[0]
    return {part.split("\n")[0].strip(): part for part in alerts.split("\n### ")[1:]}
