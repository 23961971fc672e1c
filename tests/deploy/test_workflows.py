"""The workflows are valid, ask for no more than they need, run nobody's code but what is pinned, and fit the repository."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.manifests import ROOT, SERVICES, Document, documents
from tests.deploy.network import matches
from tests.deploy.workflows import FOLDER, jobs, script, scripts, steps, workflow, workflow_names

SHARED = "libs clients pyproject.toml uv.lock .dockerignore"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
FOLDERS = sorted(service.folder for service in SERVICES.values())


@pytest.mark.parametrize("name", workflow_names())
def test_the_workflow_is_one_that_github_takes(name: str) -> None:
    _checked("vendor.github-workflows", FOLDER / name)


def test_the_update_rules_are_ones_that_github_takes() -> None:
    _checked("vendor.dependabot", ROOT / ".github" / "dependabot.yml")


def test_the_security_linter_finds_nothing() -> None:
    linter = Path(sysconfig.get_path("scripts")) / "zizmor"
    command = [str(linter), "--offline", "--no-config", "--persona=pedantic", str(ROOT / ".github")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "No findings to report" in done.stdout + done.stderr


@pytest.mark.parametrize("name", workflow_names())
def test_every_action_is_pinned_to_a_commit_and_says_its_version(name: str) -> None:
    used = re.findall(r"uses: (.+)", (FOLDER / name).read_text())
    assert used
    for action in used:
        assert PINNED.fullmatch(action) or action == "$/.github/workflows/ci.yml", action


def test_one_version_of_an_action_is_used() -> None:
    used = {step["uses"] for _, step in steps() if "uses" in step}
    assert len({action.split("@")[0] for action in used}) == len(used)


@pytest.mark.parametrize("name", workflow_names())
def test_nothing_is_permitted_unless_a_job_says_so(name: str) -> None:
    assert workflow(name)["permissions"] == {}
    for job in workflow(name)["jobs"].values():
        writes = {scope for scope, access in job["permissions"].items() if access == "write"}
        assert writes <= {"packages", "id-token", "attestations"}
        assert not writes or "secrets." not in str(job), "who may push images has no key to the cluster"


def test_no_step_leaves_the_token_in_the_checkout() -> None:
    checkouts = [step for _, step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize(("name", "job"), jobs(), ids=[name for name, _ in jobs()])
def test_no_job_runs_for_ever(name: str, job: Document) -> None:
    assert "uses" in job or job["timeout-minutes"] <= 60, name


def test_only_the_rollout_has_the_key_of_the_cluster() -> None:
    with_secrets = [name for name, job in jobs() if "secrets." in str(job)]
    assert with_secrets == ["deploy.yml/deploy"]
    assert workflow("deploy.yml")["jobs"]["deploy"]["environment"] == "production"
    assert workflow("deploy.yml")["concurrency"] == {"group": "deploy-production", "cancel-in-progress": False}


def test_pull_requests_are_checked_and_main_is_deployed_only_after_the_same_checks() -> None:
    assert {"pull_request", "workflow_call"} == set(_triggers("ci.yml"))
    assert {"push", "workflow_dispatch"} == set(_triggers("deploy.yml"))
    assert _triggers("deploy.yml")["push"] == {"branches": ["main"]}
    deploying = workflow("deploy.yml")["jobs"]
    assert deploying["ci"]["uses"].endswith("/ci.yml")
    assert deploying["image"]["needs"] == "ci", "without `if`: skipped when the checks failed"
    assert "if" not in deploying["image"]
    assert "needs.image.result == 'success'" in deploying["deploy"]["if"]


def test_an_image_is_scanned_before_it_is_pushed_and_signed_before_it_has_a_name() -> None:
    body = workflow("deploy.yml")["jobs"]["image"]["steps"]
    names = [step.get("name") for step in body]
    order = [
        "Look whether it is there", "Build it, here", "Scan it for known vulnerabilities", "Push it",
        "Sign where it comes from", "Name it",
    ]  # fmt: skip
    assert names[-len(order) :] == order
    by_name = {step.get("name"): step for step in body}
    fresh = "${{ steps.look.outputs.there == 'false' }}"
    assert {name for name in order if by_name[name].get("if") == fresh} == set(order[1:-1])
    assert not any("continue-on-error" in step for step in body), "a finding stops the job"
    scanned, signed = by_name["Scan it for known vulnerabilities"]["with"], by_name["Sign where it comes from"]["with"]
    assert scanned["image"].replace("${{ matrix.service }}", "$SERVICE") in by_name["Build it, here"]["run"]
    assert (scanned["fail-build"], scanned["severity-cutoff"], scanned["only-fixed"]) == (True, "high", True)
    assert signed["subject-digest"] == by_name["Name it"]["env"]["DIGEST"] == "${{ steps.push.outputs.digest }}"
    assert signed["push-to-registry"] is True
    assert "--sbom=true" in by_name["Push it"]["run"]


def test_what_a_desk_checks_is_what_the_runner_checks() -> None:
    wanted = re.findall(r"^make (\w+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    given = [text.removeprefix("make ") for _, text in scripts() if text.startswith("make ")]
    assert given == wanted == ["check", "test"]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(given) <= set(targets)
    (tests,) = [step for _, step in steps() if step.get("run") == "make test"]
    assert tests["env"] == {"CI": "true"}


def test_every_service_is_compared_built_and_rolled_out() -> None:
    ci, deploy = workflow("ci.yml"), workflow("deploy.yml")
    assert sorted(ci["env"]["SERVICES"].split()) == sorted(deploy["env"]["SERVICES"].split()) == FOLDERS
    assert sorted(deploy["jobs"]["image"]["strategy"]["matrix"]["service"]) == FOLDERS
    assert sorted(deploy["env"]["DEPLOYMENTS"].split()) == sorted(SERVICES)
    assert deploy["env"]["NAMESPACE"] == "notifications"


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_image_is_built_of_nothing_but_what_is_compared(folder: str) -> None:
    assert workflow("ci.yml")["env"]["SHARED"] == workflow("deploy.yml")["jobs"]["image"]["env"]["SHARED"] == SHARED
    compared = (folder, *SHARED.split())
    copied = re.findall(r"^COPY (?!--from)(\S+)", (ROOT / folder / "Dockerfile").read_text(), re.MULTILINE)
    assert copied
    for path in copied:
        assert path == "." or path.split("/")[0] in compared, path


@pytest.mark.parametrize(("name", "text"), scripts(), ids=[name for name, _ in scripts()])
def test_every_script_is_bash_without_expressions_in_it(name: str, text: str) -> None:
    assert "${{" not in text.replace("{{.Manifest.Digest}}", ""), name
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_rollout_applies_everything_and_migrates_before_it() -> None:
    migrate, roll_out = (
        script("deploy.yml", "deploy", "Migrate the databases"),
        script("deploy.yml", "deploy", "Roll out"),
    )
    prepared, migrated, rolled_out = (
        {id(document) for document in documents() if _selected(selector, document["metadata"].get("labels", {}))}
        for selector in (*_selectors(migrate), *_selectors(roll_out))
    )
    by_kind = {kind: {id(document) for document in documents(kind)} for kind in {d["kind"] for d in documents()}}
    assert migrated == by_kind["Job"]
    for kind in ("Namespace", "ServiceAccount", "ConfigMap", "NetworkPolicy", "RabbitmqCluster"):
        assert by_kind[kind] <= prepared, f"a migration needs every {kind}"
    assert not by_kind["Deployment"] & prepared
    assert rolled_out == {id(document) for document in documents()} - migrated
    names = [step.get("name") for step in workflow("deploy.yml")["jobs"]["deploy"]["steps"]]
    assert names.index("Migrate the databases") < names.index("Note what runs now") < names.index("Roll out")


def _selectors(text: str) -> list[str]:
    """Of each `kubectl apply`, with the script's own variables filled in."""
    for name, value in re.findall(r"^(\w+)=(\S+)$", text, re.MULTILINE):
        text = text.replace(f"${name}", value)
    return re.findall(r"kubectl apply -k k8s/ -l ['\"]([^'\"]+)['\"]", text)


def _selected(selector: str, labels: dict[str, str]) -> bool:
    if among := re.fullmatch(r"(\S+) in \((.+)\)", selector):
        rule = {"key": among[1], "operator": "In", "values": among[2].split(", ")}
        return matches({"matchExpressions": [rule]}, labels)
    ((key, negated, value),) = re.findall(r"^([^!=]+)(!?)=(.+)$", selector)
    return (labels.get(key) == value) != bool(negated)


def _triggers(name: str) -> Document:
    document: dict[Any, Any] = workflow(name)
    triggers: Document = document[True]  # YAML 1.1 reads `on` as a truth value
    return triggers


def _checked(schema: str, path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
