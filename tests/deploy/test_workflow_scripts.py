"""The workflows' scripts, run: on a real git repository, with stand-ins for docker, kubectl and kustomize."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.deploy.manifests import SERVICES
from tests.deploy.workflows import run, script, workflow

COMPARE = script("ci.yml", "changes", "Compare with the base")
LOOK = script("deploy.yml", "image", "Look whether it is there")
PUSH = script("deploy.yml", "image", "Push it")
NAME_IT = script("deploy.yml", "image", "Name it")
TAKE = script("deploy.yml", "deploy", "Take that commit, if it is one of ours")
NAME = script("deploy.yml", "deploy", "Name the images by digest, if this workflow signed them")
NOTE = script("deploy.yml", "deploy", "Note what runs now")
ROLL_BACK = script("deploy.yml", "deploy", "Roll back")
FOLDERS = workflow("ci.yml")["env"]["SERVICES"].split()
SETTINGS = {
    **workflow("deploy.yml")["env"],
    **workflow("ci.yml")["env"],
    "REGISTRY": "ghcr.io",
    "GITHUB_REPOSITORY": "Acme/notify",
    "GITHUB_REPOSITORY_OWNER": "Acme",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_ACTOR": "ada",
    "GITHUB_REF_NAME": "main",
    "TOKEN": "t",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Every service's folder and what they share, in one commit."""
    folder = tmp_path / "repository"
    for path in (
        *(f"{name}/Dockerfile" for name in FOLDERS),
        "libs/code.py",
        "docs/page.md",
        "uv.lock",
        "k8s/kustomization.yaml",
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("FROM ghcr.io/uv:1 AS uv\nFROM python:3 AS build\nFROM build\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    return folder


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Programs that write down how they were called. Where a file `<program>.says` has a line `pattern<TAB>answer`, that is
    the answer to a call with the pattern in it; the answer `!` is a failure."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("docker", "gh", "kubectl", "kustomize"):
        (folder / f"{name}.says").touch()
        (folder / name).write_text(
            f"""#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "{folder}/calls"
while IFS=$'\\t' read -r pattern answer; do
  if [[ "$*" == *"$pattern"* ]]; then [ "$answer" = '!' ] && exit 1; echo "$answer"; exit 0; fi
done < "{folder}/{name}.says"
"""
        )
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("push-service/code.py", ["push-service"]),
        ("libs/code.py", FOLDERS),
        ("uv.lock", FOLDERS),
        ("docs/page.md", []),
        ("k8s/kustomization.yaml", []),
    ],
)
def test_images_are_built_of_the_services_that_a_change_touches(
    repository: Path, path: str, expected: list[str]
) -> None:
    base = head(repository)
    (repository / path).write_text("changed")
    commit(repository)
    assert compared(repository, base) == expected


@pytest.mark.parametrize("base", ["", "0" * 40, "f" * 40])
def test_without_a_known_base_every_image_is_built(repository: Path, base: str) -> None:
    assert compared(repository, base) == FOLDERS


IMAGE = "ghcr.io/acme/notification-user-service"
NOT_THERE = "imagetools inspect ghcr.io/acme\t!\n"


def test_an_image_is_built_once_for_the_same_contents(repository: Path, tools: Path) -> None:
    (tools / "docker.says").write_text(f"{NOT_THERE}python:3\tsha256:aa\n")
    first = looked(repository, tools)
    (tools / "docker.says").write_text("python:3\tsha256:aa\n")  # now it is in the registry
    (repository / "push-service/code.py").write_text("of another service")
    commit(repository)
    second = looked(repository, tools)
    assert first["image"] == second["image"] == IMAGE
    assert first["contents"] == second["contents"]
    assert (first["there"], second["there"]) == ("false", "true")


@pytest.mark.parametrize("path", ["user-service/code.py", "libs/code.py", "the base image"])
def test_other_contents_make_another_image(repository: Path, tools: Path, path: str) -> None:
    (tools / "docker.says").write_text(f"{NOT_THERE}python:3\tsha256:aa\n")
    before = looked(repository, tools)["contents"]
    if path == "the base image":
        (tools / "docker.says").write_text(f"{NOT_THERE}python:3\tsha256:bb\n")
    else:
        (repository / path).write_text("changed")
        commit(repository)
    assert looked(repository, tools)["contents"] != before


def test_a_registry_that_does_not_answer_about_a_base_image_stops_the_build(repository: Path, tools: Path) -> None:
    (tools / "docker.says").write_text("python:3\t!\n")
    environment = {**SETTINGS, "SERVICE": "user-service", "GITHUB_OUTPUT": str(repository.parent / "output")}
    assert run(LOOK, repository, environment, tools).returncode != 0


def test_what_is_pushed_has_no_name_and_its_digest_is_handed_on(repository: Path, tools: Path) -> None:
    metadata, output = repository.parent / "metadata.json", repository.parent / "output"
    environment = {
        **SETTINGS, "SERVICE": "user-service", "GITHUB_SHA": "x", "IMAGE": IMAGE, "METADATA": str(metadata),
        "GITHUB_OUTPUT": str(output),
    }  # fmt: skip
    metadata.write_text("{}")
    assert run(PUSH, repository, environment, tools).returncode != 0, "without a digest nothing can be signed"
    metadata.write_text(json.dumps({"containerimage.digest": "sha256:aa"}))
    done = run(PUSH, repository, environment, tools)
    assert done.returncode == 0, done.stderr
    assert output.read_text() == "digest=sha256:aa\n"
    assert "push-by-digest=true" in calls(tools)[-1]
    assert "--tag" not in calls(tools)[-1]


@pytest.mark.parametrize("digest", ["", "sha256:aa"])
def test_an_image_is_named_for_its_contents_when_it_is_new_and_for_the_commit_always(
    repository: Path, tools: Path, digest: str
) -> None:
    environment = {**SETTINGS, "GITHUB_SHA": "commit", "IMAGE": IMAGE, "CONTENTS": "signed-1", "DIGEST": digest}
    assert run(NAME_IT, repository, environment, tools).returncode == 0
    named = [call.removeprefix("docker buildx imagetools create --tag ") for call in calls(tools)]
    new = [f"{IMAGE}:signed-1 {IMAGE}@sha256:aa"] if digest else []
    assert named == [*new, f"{IMAGE}:commit {IMAGE}:signed-1"]


def test_what_this_workflow_did_not_sign_is_not_deployed(repository: Path, tools: Path) -> None:
    (tools / "docker.says").write_text("imagetools\tsha256:aa\n")
    (tools / "gh.says").write_text("notification-console@sha256:aa\t!\n")
    assert run(NAME, repository, {**SETTINGS, "TAG": head(repository)}, tools).returncode != 0
    asked = [call for call in calls(tools) if call.startswith("gh ")]
    assert len(asked) == len(FOLDERS), "it is the last one that is refused"
    assert all("--signer-workflow Acme/notify/.github/workflows/deploy.yml" in call for call in asked)


def test_images_are_deployed_by_digest(repository: Path, tools: Path) -> None:
    (tools / "docker.says").write_text("imagetools\tsha256:aa\n")
    done = run(NAME, repository, {**SETTINGS, "TAG": head(repository)}, tools)
    assert done.returncode == 0, done.stderr
    named = [call.split()[-1] for call in calls(tools) if call.startswith("kustomize edit set image")]
    assert named == [
        f"ghcr.io/example/notification-{name}=ghcr.io/acme/notification-{name}@sha256:aa" for name in FOLDERS
    ]


def test_a_tag_without_its_images_stops_the_deployment(repository: Path, tools: Path) -> None:
    (tools / "docker.says").write_text("push-service\t!\nimagetools\tsha256:aa\n")
    assert run(NAME, repository, {**SETTINGS, "TAG": head(repository)}, tools).returncode != 0


def test_only_a_commit_of_this_branch_is_deployed(repository: Path) -> None:
    first = head(repository)
    git(repository, "checkout", "--quiet", "-b", "elsewhere")
    (repository / "docs/page.md").write_text("elsewhere")
    commit(repository)
    foreign = head(repository)
    git(repository, "checkout", "--quiet", "main")
    (repository / "docs/page.md").write_text("here")
    commit(repository)
    newest = {**SETTINGS, "GITHUB_SHA": head(repository)}
    for tag in (foreign, first[:12], "main", "v1", f"{first}\n--force", ""):
        assert run(TAKE, repository, {**newest, "TAG": tag}).returncode != 0, tag
    assert run(TAKE, repository, {**newest, "TAG": first}).returncode == 0
    assert head(repository) == first


def test_a_failed_rollout_takes_back_what_it_changed_and_nothing_else(tmp_path: Path, tools: Path) -> None:
    settings = {**SETTINGS, "BEFORE": str(tmp_path / "before"), "NAMESPACE": "notifications"}
    revisions = dict.fromkeys(SERVICES, 4) | {"push-worker": None}
    (tools / "kubectl.says").write_text(answers(revisions))
    assert run(NOTE, tmp_path, settings, tools).returncode == 0
    (tools / "calls").unlink()
    (tools / "kubectl.says").write_text(answers(revisions | {"api-gateway": 5, "push-worker": 1}))
    done = run(ROLL_BACK, tmp_path, settings, tools)
    assert done.returncode == 0, done.stderr
    undone = [call for call in calls(tools) if "rollout undo" in call]
    assert undone == ["kubectl -n notifications rollout undo deployment/api-gateway --to-revision=4"], (
        "a first one has no before"
    )
    assert sum("rollout status" in call for call in calls(tools)) == len(SERVICES)


def answers(revisions: dict[str, int | None]) -> str:
    lines = [f"get deployment {name}\t{'' if revision is None else revision}" for name, revision in revisions.items()]
    return "\n".join(lines) + "\n"


def compared(repository: Path, base: str) -> list[str]:
    output = repository.parent / "output"
    done = run(COMPARE, repository, {**SETTINGS, "BASE": base, "GITHUB_OUTPUT": str(output)})
    assert done.returncode == 0, done.stderr
    (line,) = output.read_text().splitlines()
    listed: list[str] = json.loads(line.removeprefix("services="))
    return listed


def looked(repository: Path, tools: Path) -> dict[str, str]:
    """What is found out about the user service's image."""
    output = repository.parent / "output"
    output.unlink(missing_ok=True)
    done = run(LOOK, repository, {**SETTINGS, "SERVICE": "user-service", "GITHUB_OUTPUT": str(output)}, tools)
    assert done.returncode == 0, done.stderr
    return dict(line.split("=") for line in output.read_text().splitlines())


def calls(tools: Path) -> list[str]:
    return (tools / "calls").read_text().splitlines()


def head(repository: Path) -> str:
    return git(repository, "rev-parse", "HEAD")


def commit(repository: Path) -> None:
    git(repository, "add", "--all")
    git(repository, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "--message=change")


def git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=repository, check=True, capture_output=True, text=True)
    return done.stdout.strip()
