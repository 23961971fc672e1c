"""Whether real answers are what the OpenAPI document says: every test of a service that talks HTTP asks it."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from chassis.http.error_handlers import allow_of
from tests.leaks.watch import WATCH

Json = dict[str, Any]
JSON = "application/json"
URI = "urn:document"
PROSE = re.compile(r"Value error|Assertion failed|valid dictionary|after validation")


class Document:
    """An OpenAPI document with its schemas at hand."""

    def __init__(self, document: Json) -> None:
        self.content = document
        self._paths = {path: re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)) for path in document["paths"]}
        self._registry = Registry().with_resource(URI, Resource(contents=_closed(document), specification=DRAFT202012))

    def problems(self, value: object, *location: str) -> list[str]:
        """What is wrong with `value` by the schema at that place of the document. Fields it does not name are wrong."""
        pointer = "/".join(step.replace("~", "~0").replace("/", "~1") for step in location)
        schema = {"$ref": f"{URI}#/{pointer}"}
        checks = Draft202012Validator(schema, registry=self._registry, format_checker=FormatChecker())
        return [f"{'.'.join(map(str, one.absolute_path))}: {one.message}" for one in checks.iter_errors(value)]

    def operations(self) -> Iterator[tuple[str, str, Json]]:
        for path, item in self.content["paths"].items():
            for method, operation in item.items():
                yield path, method, operation

    def path_of(self, path: str) -> str | None:
        """The documented path that `path` is one of; those without parameters come first."""
        fitting = [one for one, form in self._paths.items() if form.fullmatch(path)]
        return min(fitting, key=lambda one: one.count("{"), default=None)

    def check(self, answer: httpx2.Response) -> None:
        """Raises AssertionError for an answer that is not as documented. Of what is not documented nothing is known."""
        method, path = answer.request.method.lower(), self.path_of(answer.request.url.path.rstrip("/"))
        operation = self.content["paths"].get(path, {}).get(method)
        if operation is None or answer.status_code == 500:
            return
        where, status = f"{method.upper()} {path}", str(answer.status_code)
        assert status in operation["responses"], f"{where} answered {status}, which is not documented: {answer.text}"
        documented = operation["responses"][status]["content"]
        if JSON not in documented:  # a file
            assert answer.headers["content-type"].partition(";")[0] in documented, (
                f"{where} answered another kind of file"
            )
            return
        content = json.loads(answer.content)
        problems = self.problems(content, "paths", path, method, "responses", status, "content", JSON, "schema")
        assert problems == [], f"{where} answered {answer.text}, which is not as documented: {problems}"
        if status == "422":
            prose = [one for one in content["data"].get("errors", ()) if PROSE.search(one["message"])]
            assert prose == [], f"{where} speaks of its models: {prose}"


_documents: dict[tuple[object, ...], Document] = {}


def _document_of(app: FastAPI) -> Document:
    """Made once for all apps of the same routes. Tests start a service hundreds of times, and its document takes a second."""
    routes = (
        app.title,
        *(one.endpoint for one in iter_route_contexts(app.router.routes) if one.methods and one.include_in_schema),
    )
    if routes not in _documents:
        _documents[routes] = Document(app.openapi())
    return _documents[routes]


class Conformance:
    """For the clients of tests, as an event hook for responses: every answer is as the document of `app` says.

    Paths below `elsewhere` are answered by others, and not looked at.
    """

    def __init__(self, app: FastAPI, *, elsewhere: tuple[str, ...] = ()) -> None:
        self._app = app
        self._elsewhere = elsewhere

    async def __call__(self, answer: httpx2.Response) -> None:
        await answer.aread()
        WATCH.learn_exchange(answer)
        path = answer.request.url.path.rstrip("/")
        if path.startswith(self._elsewhere):
            return
        if answer.status_code == 405:
            assert answer.headers["Allow"] == allow_of(self._app, path)
        else:
            _document_of(self._app).check(answer)


def _closed(document: Json) -> Json:
    """The document with every object closed: a field that it does not name is one that clients do not know of."""
    document = copy.deepcopy(document)
    for node in _nodes(document):
        if node.get("type") == "object" and "properties" in node:
            node.setdefault("additionalProperties", False)
    return document


def _nodes(node: object) -> Iterator[Json]:
    if isinstance(node, dict):
        yield node
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(part)
