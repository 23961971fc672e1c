"""Every document in k8s/ is what a cluster takes: Kubernetes' own kinds strictly, the custom ones by what we use of them."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from jsonschema import Draft202012Validator, ValidationError
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

from tests.deploy.manifests import EXAMPLE, Document, documents, identity, kustomization, read

OLDEST, NEWEST = "1.30.0", kubernetes_validate.latest_version()  # the oldest: preStop.sleep
SCHEMAS = Path(__file__).parent / "schemas"
CUSTOM = [document for document in documents() if (SCHEMAS / f"{document['kind'].lower()}.json").exists()]
BUILT_IN = [document for document in documents() + read(EXAMPLE) if document not in CUSTOM]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("document", BUILT_IN, ids=identity)
def test_every_document_is_valid_for_the_oldest_and_the_newest_kubernetes(document: Document, version: str) -> None:
    _of_kubernetes(document["apiVersion"], document["kind"], version).validate(document)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_typing_mistake_deep_in_a_pod_is_refused(version: str) -> None:
    deployment = json.loads(json.dumps(documents("Deployment")[0]))
    deployment["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"]["paht"] = "/"
    with pytest.raises(ValidationError, match="paht"):
        _of_kubernetes("apps/v1", "Deployment", version).validate(deployment)


@pytest.mark.parametrize("document", CUSTOM, ids=identity)
def test_every_custom_resource_has_only_fields_that_there_are(document: Document) -> None:
    _own(document["kind"]).validate(document)


@pytest.mark.parametrize("schema", sorted(SCHEMAS.glob("*.json")), ids=lambda path: path.stem)
def test_the_schemas_of_custom_resources_are_schemas_and_leave_nothing_open(schema: Path) -> None:
    parsed = json.loads(schema.read_text())
    Draft202012Validator.check_schema(parsed)
    assert all("additionalProperties" in part for part in _objects(parsed))
    assert any(document["kind"].lower() == schema.stem for document in [*CUSTOM, kustomization()]), "used by nothing"


def test_the_kustomization_is_valid() -> None:
    _own("Kustomization").validate(kustomization())


@cache
def _of_kubernetes(api_version: str, kind: str, version: str) -> Draft202012Validator:
    """`kubernetes_validate.validate` with the parsed definitions kept: they are two megabytes."""
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    folder = f"kubernetes-json-schema/v{version}-local-strict"
    return Draft202012Validator(
        schema_contents(f"{folder}/{kind.lower()}-{group}.json", version), registry=_definitions(folder, version)
    )


@cache
def _definitions(folder: str, version: str) -> Registry[Any]:
    return Resource.from_contents(schema_contents(f"{folder}/_definitions.json", version)) @ Registry()


def _own(kind: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / f"{kind.lower()}.json").read_text()))


def _objects(schema: Any) -> list[dict[str, Any]]:
    """Every part of the schema that describes an object."""
    if isinstance(schema, list):
        return [found for part in schema for found in _objects(part)]
    if not isinstance(schema, dict):
        return []
    here = [schema] if schema.get("type") == "object" else []
    return here + [found for part in schema.values() for found in _objects(part)]
