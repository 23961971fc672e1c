"""Variables and metadata are returned, and reach a worker, exactly as they were given."""

# ruff: noqa: UP031 - the texts are full of braces

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from contracts.messages import NotificationMessage

HUGE = 12345678901234567890123
# Values that JSONB would reorder and rewrite, and orjson would round, as some programs write them.
WRITTEN = (
    '{"Subtotal": 1.10, "Tax": 1e2,\n "o": {"zz": [1, {"b": 1, "aa": 2}], "b": -0.0}, "n": %d, "a": "\\u00e9 \\/"}'
    % HUGE
)
VALUES = {
    "Subtotal": 1.1,
    "Tax": 100.0,
    "o": {"zz": [1, {"b": 1, "aa": 2}], "b": -0.0},
    "n": HUGE,
    "a": "é /",
}


def _body(user_id: object, variables: str = WRITTEN, metadata: str = WRITTEN, **fields: object) -> bytes:
    known = {"notification_type": "email", "user_id": str(user_id), "template_code": "welcome", **fields}
    return f'{json.dumps(known)[:-1]}, "variables": {variables}, "metadata": {metadata}}}'.encode()


async def _post(gateway, raw: bytes, path: str = ""):
    return await gateway.http.post(f"/api/v1/notifications{path}", content=raw, headers=gateway.token(UUID(int=1)))


def _assert_exact(body: bytes) -> NotificationMessage:
    message = NotificationMessage.model_validate_json(body)
    assert f'"variables":{WRITTEN},' in body.decode(), "the text that came travels"
    for given in (message.variables, message.metadata):
        assert given == VALUES
        assert list(given) == list(VALUES)
        assert list(given["o"]) == ["zz", "b"]
        assert list(given["o"]["zz"][1]) == ["b", "aa"]
    return message


async def _ready(gateway):
    gateway.peers.add_template(required=("o.zz", "n"))
    return gateway.peers.add_user().id


async def test_at_once(gateway) -> None:
    assert (await _post(gateway, _body(await _ready(gateway)))).status_code == 202
    _assert_exact((await gateway.published())[0])


async def test_after_it_was_scheduled(gateway) -> None:
    at = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
    assert (await _post(gateway, _body(await _ready(gateway), send_at=at))).status_code == 202
    _assert_exact((await gateway.published())[0])


async def test_after_it_was_deferred(gateway) -> None:
    user_id = await _ready(gateway)
    gateway.peers.down = True
    assert (await _post(gateway, _body(user_id))).status_code == 202
    gateway.peers.down = False
    _assert_exact((await gateway.published())[0])


async def test_after_it_was_tried_again(gateway) -> None:
    accepted = (await _post(gateway, _body(await _ready(gateway)))).json()["data"]["notification_id"]
    await gateway.published()
    for path, body in (
        (f"/{accepted}/retry", None),
        ("/../failed/replay", {"notification_ids": [accepted]}),
    ):
        await gateway.callback(accepted, "failed")
        again = await gateway.http.post(
            f"/api/v1/notifications{path}".replace("notifications/../", ""), json=body, headers=gateway.token()
        )
        assert again.status_code == 202
        _assert_exact((await gateway.published())[0])


async def test_metadata_is_answered_as_it_came(gateway) -> None:
    accepted = (await _post(gateway, _body(await _ready(gateway)))).json()["data"]["notification_id"]
    for path in (f"/{accepted}", f"/{accepted}/status", ""):
        answered = await gateway.http.get(f"/api/v1/notifications{path}", headers=gateway.token())
        assert f'"metadata":{WRITTEN}' in answered.text
    await gateway.callback(accepted, "failed")
    listed = await gateway.http.get("/api/v1/failed", headers=gateway.token())
    assert f'"metadata":{WRITTEN}' in listed.text


async def test_each_item_of_a_batch_keeps_its_own(gateway) -> None:
    user_id = await _ready(gateway)
    other = '{"o":{"zz":1},"n":%d}' % (HUGE + 1)
    items = b",".join([_body(user_id), _body(user_id, variables=other, metadata="{}")])
    for raw in (b"[" + items + b"]", b' {"x": 1, "notifications": [ ' + items + b" ]}"):
        assert (await _post(gateway, raw, "/batch")).json()["data"]["accepted"] == 2
        first, second = await gateway.published(number=2)
        _assert_exact(first)
        assert NotificationMessage.model_validate_json(second).variables == {"o": {"zz": 1}, "n": HUGE + 1}


async def test_numbers_that_differ_in_their_last_digit_are_two_requests(gateway) -> None:
    user_id = await _ready(gateway)

    async def send(number: str):
        headers = {**gateway.token(user_id), "Idempotency-Key": "k"}
        raw = _body(user_id, variables='{"o": {"zz": 1}, "n": %s}' % number)
        return await gateway.http.post("/api/v1/notifications", content=raw, headers=headers)

    first = await send(str(HUGE))
    assert first.status_code == 202
    assert (await send(str(HUGE + 1))).json()["error"] == "idempotency_key_reused"
    again = await send(str(HUGE))
    assert (again.json()["data"], again.headers["Idempotent-Replayed"]) == (first.json()["data"], "true")


async def test_blanks_order_and_the_look_of_a_number_make_no_other_request(gateway) -> None:
    user_id = await _ready(gateway)
    same = (
        '{"o":{"zz":1.50},"n":%d,"é":[1e2]}' % HUGE,
        '{ "\\u00e9": [100.0],  "n" : %d, "o" : { "zz" : 1.5 } }' % HUGE,
    )
    answers = [await _post(gateway, _body(user_id, variables=one, request_id="r")) for one in same]
    assert answers[0].json()["data"] == answers[1].json()["data"]
    assert [answered.headers.get("Idempotent-Replayed") for answered in answers] == [None, "true"]


@pytest.mark.parametrize("nothing", ["null", "[]", "{}", "[ ]"])
async def test_nothing_is_an_empty_object(gateway, nothing: str) -> None:
    gateway.peers.add_template(required=())
    user = gateway.peers.add_user()
    raw = _body(user.id, variables=nothing, metadata=nothing, request_id="r")
    assert (await _post(gateway, raw)).status_code == 202
    message = NotificationMessage.model_validate_json((await gateway.published())[0])
    assert (message.variables, message.metadata) == ({}, {})
    batched = await _post(gateway, b"[" + raw + b"]", "/batch")
    assert batched.json()["data"]["replayed"] == 1, "and the same request, however it is written"
    without = {"notification_type": "email", "user_id": str(user.id), "template_code": "welcome", "request_id": "r"}
    assert (await _post(gateway, json.dumps(without).encode())).headers["Idempotent-Replayed"] == "true"


UNKEPT = [
    ('{"n": 0.12345678901234567890}', "n"),
    ('{"n": [1, {"m": 1e400}]}', "n.1.m"),
    ('{"n": -1e400}', "n"),
    ('{"n": 1e-400}', "n"),
    ('{"n": 1%s}' % ("0" * 400), "n"),
    ('{"n": NaN}', "n"),
    ('{"n": Infinity}', "n"),
    ('{"n": -Infinity}', "n"),
    ('{"n": 1, "n": 2}', "n"),
    ('{"o": {"n": 1, "\\u006e": 1}}', "o.n"),
    ('{"n": "\\u0000"}', "n"),
    ('{"n": "\\ud800"}', "n"),
    ('{"n": ["a\\udfffb"]}', "n.0"),
]


@pytest.mark.parametrize("field", ["variables", "metadata"])
@pytest.mark.parametrize(("written", "path"), UNKEPT)
async def test_what_cannot_be_kept_is_refused_by_its_path(gateway, field: str, written: str, path: str) -> None:
    raw = _body(await _ready(gateway), **{field: written})
    answered = await _post(gateway, raw)
    assert (answered.status_code, answered.json()["error"]) == (422, "validation_error")
    assert [one["field"] for one in answered.json()["data"]["errors"]] == [f"{field}.{path}"]


@pytest.mark.parametrize(("written", "path"), UNKEPT)
async def test_it_is_refused_alone_in_a_batch(gateway, written: str, path: str) -> None:
    user_id = await _ready(gateway)
    raw = b"[" + b",".join([_body(user_id), _body(user_id, variables=written), _body(user_id)]) + b"]"
    data = (await _post(gateway, raw, "/batch")).json()["data"]
    assert [one["status_code"] for one in data["results"]] == [202, 422, 202]
    assert [one["field"] for one in data["results"][1]["data"]["errors"]] == [f"variables.{path}"]
    for body in await gateway.published(number=2):
        _assert_exact(body)


async def test_a_fault_in_values_is_listed_beside_the_others(gateway) -> None:
    raw = _body("x", variables='{"n": 1e-400}', metadata='{"n": "\\u0000"}', priority=11)
    fields = [one["field"] for one in (await _post(gateway, raw)).json()["data"]["errors"]]
    assert sorted(fields) == ["metadata.n", "priority", "user_id", "variables.n"]


async def test_what_a_gateway_of_the_release_before_wrote_is_sent(gateway) -> None:
    """It knows only the jsonb columns, so our rows have their values there too."""
    user_id = await _ready(gateway)
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    ours = (await _post(gateway, _body(user_id, send_at=at))).json()["data"]["notification_id"]
    theirs = (await _post(gateway, _body(user_id, send_at=at))).json()["data"]["notification_id"]
    async with gateway.root.database.begin() as connection:
        written = await connection.execute(text("SELECT variables, metadata FROM notifications"))
        assert [tuple(row) for row in written] == [(VALUES, VALUES)] * 2
        await connection.execute(
            text("UPDATE notifications SET given_variables = NULL, given_metadata = NULL WHERE id = :id"),
            {"id": theirs},
        )
        await connection.execute(text("UPDATE notifications SET due_at = now() WHERE id = :id"), {"id": theirs})
    message = NotificationMessage.model_validate_json((await gateway.published())[0])
    assert (str(message.notification_id), message.variables, message.metadata) == (theirs, VALUES, VALUES)
    assert (await gateway.detail(theirs))["metadata"] == VALUES
    assert (await gateway.detail(ours))["metadata"] == VALUES
