"""Sends invalid requests to every operation of a service. Each must get a clear refusal, and none a 5xx.

Bodies start from the examples in the service's OpenAPI document, so that they pass the first checks. One or two values or
keys in them are replaced.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx2
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# Written literally: no Python value serialises to these.
LITERALS = ("NaN", "-Infinity", "1e400", "1e-400", "1" + "0" * 500, "[" * 300 + "]" * 300, '{"a":1,"a":2}')
NASTY: list[Any] = [
    "\0", "a\0b", "\ud800", "a\udfffb", "", " ", "\n", "x" * 5_000, "é" * 300, "\u202e", "0" * 32, "{}", "%00", "../..",
    "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:59", "1132-01-01", "2026-11-26T10:00:60Z", "2026-11-26 10:00 02:00",
    None, True, 0, -1, 2**31, 2**63, 2**64, 10**30, 0.1, 1e308, [], {}, [None], [[[]]], {"a": "\0"}, {"\0": 1},
    {"\ud800": "\ud800"}, "<literal>",
]  # fmt: skip
TEXTS = [*(one for one in NASTY if isinstance(one, str)), "NaN", "1e400", "99999999999999999999", "-1", "null"]
HEADERS = (
    "X-Correlation-ID",
    "X-Request-ID",
    "Idempotency-Key",
    "Authorization",
    "X-API-Key",
    "traceparent",
    "If-Match",
)


class Operation(NamedTuple):
    method: str
    path: str
    path_names: tuple[str, ...] = ()
    query_names: tuple[str, ...] = ()
    body: Any = None


class Attack(NamedTuple):
    operation: Operation
    path: str
    query: str
    body: bytes | None
    headers: list[tuple[bytes, bytes]]


def operations_of(app: FastAPI) -> list[Operation]:
    """Every operation of the service's document, with an example of its body."""
    document = app.openapi()
    return [
        _operation(document, method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def _operation(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Operation:
    def named(place: str) -> tuple[str, ...]:
        return tuple(one["name"] for one in operation.get("parameters", ()) if one["in"] == place)

    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    body = _example(document, content["schema"]) if content else None
    return Operation(method.upper(), path, named("path"), named("query"), body)


def _example(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        return _example(document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    for example in (*schema.get("examples", ()), *(_example(document, one) for one in schema.get("anyOf", ()))):
        return example
    match schema.get("type"):
        case "object":
            return {name: _example(document, one) for name, one in schema.get("properties", {}).items()}
        case "array":
            return [_example(document, schema["items"])]
    return 1 if schema.get("type") in {"integer", "number"} else "x"


@st.composite
def attacks(draw: st.DrawFn, operations: list[Operation], known: Mapping[str, str]) -> Attack:
    operation = draw(st.sampled_from(operations))
    path = operation.path
    for name in operation.path_names:
        value = draw(st.sampled_from([known.get(name, "x")] * 3 + TEXTS))
        path = path.replace(f"{{{name}}}", _quoted(value) or "x")
    asked = draw(st.lists(st.sampled_from(operation.query_names), max_size=2)) if operation.query_names else []
    query = "&".join(f"{name}={_quoted(draw(st.sampled_from(TEXTS)))}" for name in [*asked, "unknown"])
    body = None if operation.body is None else _written(draw, _damaged(draw, operation.body))
    given_headers = draw(st.lists(st.tuples(st.sampled_from(HEADERS), st.sampled_from(TEXTS)), max_size=1))
    headers = [(name.encode(), value.encode(errors="replace")[:200]) for name, value in given_headers]
    return Attack(operation, path, query, body, headers)


def _quoted(text: str) -> str:
    return quote(text.encode(errors="surrogatepass"), safe="")[:2_000]


def _damaged(draw: st.DrawFn, body: Any) -> Any:
    """A copy with up to two replaced values or keys."""
    body = deepcopy(body)
    for _ in range(draw(st.integers(0, 2))):
        places = list(_places(body))
        if not places or draw(st.integers(0, 9)) == 0:
            return draw(st.sampled_from(NASTY))
        holder, key = draw(st.sampled_from(places))
        nasty = deepcopy(draw(st.sampled_from(NASTY)))
        if isinstance(holder, dict) and isinstance(nasty, str) and draw(st.booleans()):
            holder[nasty] = holder.pop(key)
        else:
            holder[key] = nasty
    return body


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in list(inner):
        yield value, key
        yield from _places(one)


def _written(draw: st.DrawFn, body: Any) -> bytes:
    text = json.dumps(body)
    return text.replace('"<literal>"', draw(st.sampled_from(LITERALS))).encode()


async def withstand(
    app: FastAPI,
    headers: Mapping[str, str],
    operations: list[Operation],
    *,
    known: Mapping[str, str] = MappingProxyType({}),
    examples: int = 300,
) -> None:
    """Sends that many attacks as the caller with these `headers`. `known` are path parameters of existing resources."""
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    loop = asyncio.get_running_loop()

    async def send(attack: Attack) -> None:
        url = f"http://service{attack.path}?{attack.query}"
        own = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        given_names = {name.lower() for name, _ in attack.headers}
        sent = [*(pair for pair in own if pair[0] not in given_names), *attack.headers]
        sent.append((b"content-type", b"application/json"))
        async with httpx2.AsyncClient(transport=transport) as http:
            answered = await http.request(attack.operation.method, url, content=attack.body, headers=sent)
        assert answered.status_code < 500, (attack, answered.status_code, answered.text)
        if answered.status_code >= 400 and answered.content:
            refusal = answered.json()
            assert (refusal["success"], type(refusal["error"]), type(refusal["message"])) == (False, str, str), attack

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)
    @given(attacks(operations, known))
    def attempt(attack: Attack) -> None:
        asyncio.run_coroutine_threadsafe(send(attack), loop).result(30)

    await asyncio.to_thread(attempt)
