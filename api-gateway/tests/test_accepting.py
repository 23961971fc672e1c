"""What a caller gets for a notification, and what is in the outbox and the queue afterwards."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from uuid import UUID, uuid4

import orjson
import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from sqlalchemy import text

from api_gateway.schemas.requests import NotificationRequest
from api_gateway.services.accepting import body_hash
from chassis.process import yielding
from chassis.security import hash_api_key, new_api_key
from contracts.callers import ApiKeyInfo
from contracts.messages import NotificationMessage
from contracts.recipients import Preferences, PushToken
from testkit.eventually import eventually, stays


async def test_an_urgent_notification_waits_for_no_group_of_others(gateway) -> None:
    """Neither for its look-ups nor for its commit, which take longer beside another caller's batches."""
    user, stranger = gateway.peers.add_user(), gateway.peers.add_user()
    gateway.peers.add_template()
    await gateway.send(user_id=str(user.id), request_id="first")
    again = text("INSERT INTO idempotency_keys SELECT caller, 'held', id, body_hash, status FROM idempotency_keys, "
                 "gen_random_uuid() AS id WHERE key = 'first'")  # fmt: skip
    async with gateway.root.database.begin() as other:
        await other.execute(again)
        held = asyncio.create_task(gateway.send(user_id=str(user.id), request_id="held"))
        await eventually(lambda: _waiting_for_a_lock(gateway), 5, until=lambda number: number == 1)
        urgent = await asyncio.wait_for(gateway.send(user_id=str(stranger.id), priority=10), 5)
        assert (urgent.status_code, held.done()) == (202, False)
        await other.rollback()
    assert (await held).status_code == 202


async def test_a_batch_pauses_while_something_urgent_is_accepted(gateway, monkeypatch) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    await gateway.send(user_id=str(user.id))
    monkeypatch.setattr(yielding, "MAX_PAUSE_SECONDS", 30.0)
    monkeypatch.setattr(yielding, "MAX_URGENT_SECONDS", 30.0)
    async with gateway.root.database.begin() as other:
        await other.execute(text("SELECT 1 FROM accepted_totals FOR UPDATE"))
        urgent = asyncio.create_task(gateway.send(user_id=str(user.id), priority=10))
        await eventually(lambda: _waiting_for_a_lock(gateway), 5, until=lambda number: number == 1)
        batch = asyncio.create_task(gateway.send_batch(user_id=str(user.id)))
        # The batch writes nothing yet.
        await stays(lambda: _waiting_for_a_lock(gateway), 0.3, holds=lambda number: number == 1)
        assert (urgent.done(), batch.done()) == (False, False)
        await other.rollback()
    assert {(await one).status_code for one in (urgent, batch)} == {202}


async def _waiting_for_a_lock(gateway) -> int:
    """How many sessions of its database do. A transaction sees one moment of this only: each look has its own."""
    ask = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with gateway.root.database.begin() as connection:
        return (await connection.execute(text(ask))).scalar_one()


async def test_the_totals_that_every_group_needs_are_locked_only_when_its_rows_are_written(gateway) -> None:
    """Otherwise urgent notifications wait for the whole of another caller's batch."""
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    await gateway.send(user_id=str(user.id))
    database = gateway.root.database
    size = text("SELECT pg_relation_size('notifications')")
    async with database.begin() as other:
        await other.execute(text("SELECT 1 FROM accepted_totals FOR UPDATE"))
        before = (await other.execute(size)).scalar_one()
        wide = {"variables": {"name": "Ada", "filler": "".join(map(str, range(9_000)))}}
        held = [asyncio.create_task(gateway.send(user_id=str(user.id), **wide)) for _ in range(20)]
        await eventually(lambda: other.execute(size), 5, until=lambda found: found.scalar_one() != before)
        assert not any(one.done() for one in held)
    assert {answer.status_code for answer in await asyncio.gather(*held)} == {202}


async def test_an_accepted_notification_is_published_with_all_that_a_worker_needs(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    answered = await gateway.send(user_id=str(user.id), request_id="r-1", priority=9, metadata={"campaign": "spring"})
    assert answered.status_code == 202
    body = answered.json()
    assert (body["success"], body["error"], body["meta"]) == (True, None, None)
    assert set(body["data"]) == {"notification_id", "status", "created_at"}
    assert body["data"]["status"] == "pending"

    received: asyncio.Queue = asyncio.Queue()

    async def handle(delivery) -> None:
        await delivery.ack()
        await received.put(delivery)

    consumer = await gateway.broker.consume("email.urgent.queue", handle, prefetch=1)
    delivery = await asyncio.wait_for(received.get(), 5)
    await consumer.close()
    message = NotificationMessage.model_validate_json(delivery.body)
    assert str(message.notification_id) == body["data"]["notification_id"] == delivery.message_id
    assert (delivery.priority, delivery.correlation_id) == (9, answered.headers["X-Correlation-ID"])
    assert (message.recipient.email, message.template.version, message.variables) == (user.email, 3, {"name": "Ada"})
    detail = await gateway.until(body["data"]["notification_id"], "queued")
    assert [step["status"] for step in detail["timeline"]] == ["accepted", "queued"]


async def test_fifty_equal_requests_at_once_make_one_notification_and_fifty_equal_answers(start) -> None:
    one, two = await start(), await start()
    user = one.peers.add_user()
    one.peers.add_template()
    sends = [(one, two)[place % 2].send(user_id=str(user.id), request_id="same") for place in range(50)]
    answers = await asyncio.gather(*sends)
    assert {answered.status_code for answered in answers} == {202}
    assert len({answered.text.replace("Repeated request: this notification was accepted before", "X").replace(
        "Notification queued successfully", "X") for answered in answers}) == 1  # fmt: skip
    assert sum("Idempotent-Replayed" in answered.headers for answered in answers) == 49
    listed = (await one.http.get("/api/v1/notifications?request_id=same", headers=one.token())).json()
    assert listed["meta"]["total"] == 1
    proof = (await one.http.get("/api/v1/reconcile", headers=one.token())).json()["data"]
    assert (proof["accepted"], proof["unaccounted"]) == (1, 0)


async def test_the_guarantee_is_carried_and_is_part_of_what_was_asked_for(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    asked = {"user_id": str(user.id), "request_id": "r-1"}
    first = await gateway.send(**asked, delivery_guarantee="at_most_once")
    assert (await gateway.send(**asked, delivery_guarantee="at_most_once")).headers["Idempotent-Replayed"] == "true"
    assert (await gateway.send(**asked)).json()["error"] == "idempotency_key_reused"
    assert (await gateway.send(**asked, delivery_guarantee="exactly_once")).status_code == 422
    detail = await gateway.until(first.json()["data"]["notification_id"], "queued")
    assert detail["delivery_guarantee"] == "at_most_once"


def test_a_key_that_was_used_before_there_were_guarantees_is_still_recognised() -> None:
    asked = {"notification_type": "email", "user_id": str(UUID(int=1)), "template_code": "t"}
    before = "33798bae32007db77dee75c235123a56b2db559ccfdfc7e4fe69fce1d6069364"
    assert body_hash(NotificationRequest.model_validate(asked)) == before


CHANGED: dict[str, object] = {
    "notification_type": "push",
    "user_id": str(UUID(int=2)),
    "template_code": "u",
    "variables": {"a": 1},
    "priority": 6,
    "metadata": {"a": 1},
    "language": "fr",
    "send_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    "expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    "delivery_guarantee": "at_most_once",
    "template_version": 2,
    "email": {"cc": ["ada@example.com"]},
}


def test_every_field_but_the_request_id_tells_requests_apart() -> None:
    asked = {"notification_type": "email", "user_id": str(UUID(int=1)), "template_code": "t"}
    bodies = [asked, *({**asked, field: value} for field, value in CHANGED.items())]
    bodies += [{**asked, "user_id": None, "to": {"email": f"{name}@example.com"}} for name in ("ada", "eve")]
    bodies += [{**asked, "notification_type": "push", "overrides": {"push": {"badge": badge}}} for badge in (0, 1)]
    assert len({body_hash(NotificationRequest.model_validate(body)) for body in bodies}) == len(bodies)
    assert NotificationRequest.model_fields.keys() == CHANGED.keys() | {"request_id", "to", "overrides"}
    again = NotificationRequest.model_validate({**asked, "request_id": "r"})
    assert body_hash(again) == body_hash(NotificationRequest.model_validate(asked))


def test_a_bodys_hash_is_that_of_its_json_whatever_the_order_of_its_keys() -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=120_000)
    asked = {
        "notification_type": "email", "user_id": str(UUID(int=1)).upper(), "template_code": "t",
        "variables": {"b": [1, {"d": 2.5, "c": None}], "a": "ü"},
        "send_at": tomorrow.astimezone(timezone(timedelta(hours=2))).isoformat(),
        "expires_at": (tomorrow + timedelta(days=1)).replace(microsecond=0).isoformat(),
    }  # fmt: skip
    request = NotificationRequest.model_validate(asked)
    as_json = request.model_dump(
        mode="json", exclude={"request_id", "delivery_guarantee", "template_version", "to", "email", "overrides"}
    )
    assert body_hash(request) == sha256(orjson.dumps(as_json, option=orjson.OPT_SORT_KEYS)).hexdigest()
    turned = NotificationRequest.model_validate({**asked, "variables": {"a": "ü", "b": [1, {"c": None, "d": 2.5}]}})
    assert body_hash(turned) == body_hash(request)


async def test_the_same_request_id_with_another_body_is_refused(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    first = await gateway.send(user_id=str(user.id), request_id="r-1")
    second = await gateway.send(user_id=str(user.id), request_id="r-1", priority=1)
    assert (second.status_code, second.json()["error"]) == (422, "idempotency_key_reused")
    reordered = await gateway.send(request_id="r-1", user_id=str(user.id))
    assert reordered.json()["data"] == first.json()["data"]


async def test_keys_are_per_caller_and_the_header_is_an_alias(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    mine = {**gateway.token(UUID(int=1)), "Idempotency-Key": "k"}
    first = await gateway.send(user_id=str(user.id), headers=mine)
    again = await gateway.send(user_id=str(user.id), request_id="k", headers=gateway.token(UUID(int=1)))
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await gateway.send(user_id=str(user.id), request_id="k", headers=gateway.token(UUID(int=2)))
    assert other.json()["data"]["notification_id"] != first.json()["data"]["notification_id"]
    torn = await gateway.send(user_id=str(user.id), request_id="another", headers=mine)
    assert torn.status_code == 422


@pytest.mark.parametrize(
    ("key", "fields", "named"),
    [
        ("two words", {}, ["Idempotency-Key"]),
        ("two words", {"request_id": "two words"}, ["request_id"]),
        (None, {"request_id": "two words"}, ["request_id"]),
    ],
)
async def test_a_key_that_is_not_valid_is_named_as_it_was_sent(gateway, key, fields, named) -> None:
    headers = {**gateway.token(), **({"Idempotency-Key": key} if key else {})}
    refused = await gateway.send(user_id=str(uuid4()), headers=headers, **fields)
    assert [one["field"] for one in refused.json()["data"]["errors"]] == named


async def test_a_repeat_is_answered_as_the_first_time_after_the_user_is_gone(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    first = await gateway.send(user_id=str(user.id), request_id="r-1")
    gateway.peers.users.clear()
    await gateway.forget(user)
    again = await gateway.send(user_id=str(user.id), request_id="r-1")
    assert (again.status_code, again.json()["data"]) == (202, first.json()["data"])
    assert (await gateway.send(user_id=str(user.id), request_id="r-2")).status_code == 404


async def test_unknown_users_and_templates_are_404_and_missing_variables_are_all_named(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template(required=("name", "order.id", "link"))
    assert (await gateway.send(user_id=str(uuid4()))).json()["error"] == "user_not_found"
    unknown = await gateway.send(user_id=str(user.id), template_code="none")
    assert (unknown.status_code, unknown.json()["error"]) == (404, "template_not_found")
    lacking = await gateway.send(user_id=str(user.id), variables={"name": "Ada", "order": {}})
    assert (lacking.status_code, lacking.json()["error"]) == (422, "missing_variables")
    assert [one["field"] for one in lacking.json()["data"]["errors"]] == ["variables.order.id", "variables.link"]


async def test_a_channel_asks_for_the_variables_that_it_needs_itself(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template(required=("link", "name"), email=("link", "name"), push=("name",))
    assert (await gateway.send(user_id=str(user.id), notification_type="push")).json()["data"]["status"] == "pending"
    lacking = await gateway.send(user_id=str(user.id))
    assert [one["field"] for one in lacking.json()["data"]["errors"]] == ["variables.link"]


async def test_a_template_that_is_not_for_the_channel_is_refused_by_its_field(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    active = gateway.peers.templates["welcome"]
    mail_only = active.languages["en"].model_copy(update={"serves_push": False})
    gateway.peers.templates["welcome"] = active.model_copy(update={"languages": {"en": mail_only}})
    refused = await gateway.send(user_id=str(user.id), notification_type="push")
    assert (refused.status_code, refused.json()["error"]) == (422, "template_not_for_channel")
    assert [one["field"] for one in refused.json()["data"]["errors"]] == ["notification_type"]


@pytest.mark.parametrize("language", ["pt_BR", "pt-BR", "PT-br", " pt_br "])
async def test_a_language_may_be_written_in_every_usual_way(gateway, language: str) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    active = gateway.peers.templates["welcome"]
    portuguese = active.languages["en"].model_copy(update={"language": "pt-BR"})
    languages = {**active.languages, "pt-BR": portuguese}
    gateway.peers.templates["welcome"] = active.model_copy(update={"languages": languages})
    accepted = await gateway.send(user_id=str(user.id), language=language)
    assert accepted.status_code == 202, accepted.text
    assert (await gateway.detail(accepted.json()["data"]["notification_id"]))["language"] == "pt-BR"


async def test_a_user_who_opted_out_or_has_no_device_is_suppressed_with_the_reason(gateway) -> None:
    quiet = gateway.peers.add_user(preferences=Preferences(email=False))
    bare = gateway.peers.add_user(push_tokens=())
    gateway.peers.add_template()
    opted_out = (await gateway.send(user_id=str(quiet.id))).json()["data"]
    no_token = (await gateway.send(user_id=str(bare.id), notification_type="push")).json()["data"]
    assert (opted_out["status"], no_token["status"]) == ("suppressed", "suppressed")
    assert (await gateway.detail(opted_out["notification_id"]))["error"] == "opted_out"
    assert (await gateway.detail(no_token["notification_id"]))["error"] == "no_push_token"
    assert (await gateway.broker.depth("email.queue")).ready == 0


async def test_while_the_user_service_is_down_it_is_202_and_published_after_it_is_back(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    gateway.peers.down = True
    accepted = (await gateway.send(user_id=str(user.id))).json()["data"]
    assert accepted["status"] == "pending"
    lost = (await gateway.send(user_id=str(uuid4()))).json()["data"]
    gateway.peers.down = False
    await gateway.until(accepted["notification_id"], "queued", seconds=30)
    assert (await gateway.until(lost["notification_id"], "failed", seconds=30))["error"] == "user_not_found"


async def test_a_batch_accepts_and_refuses_each_item_on_its_own(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    good = {"notification_type": "email", "user_id": str(user.id), "template_code": "welcome",
            "variables": {"name": "Ada"}, "request_id": "b-1"}  # fmt: skip
    items = [good, {**good, "request_id": "b-2", "priority": 11}, good, {**good, "request_id": "b-3", "priority": 1}]
    answered = await gateway.http.post(
        "/api/v1/notifications/batch", json={"notifications": items}, headers=gateway.token()
    )
    data = answered.json()["data"]
    assert (answered.status_code, data["accepted"], data["replayed"], data["rejected"]) == (202, 2, 1, 1)
    assert [one["status_code"] for one in data["results"]] == [202, 422, 202, 202]
    assert data["results"][0]["data"] == data["results"][2]["data"]
    assert data["results"][1]["data"]["errors"][0]["field"] == "priority"


async def test_an_api_key_sends_with_its_scope_only(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    writer, reader = new_api_key(), new_api_key()
    for key, scope in ((writer, "notifications:write"), (reader, "notifications:read")):
        gateway.peers.api_keys[hash_api_key(key)] = ApiKeyInfo(id=uuid4(), user_id=uuid4(), scopes=(scope,))
    assert (await gateway.send(user_id=str(user.id), headers={"X-API-Key": writer})).status_code == 202
    refused = await gateway.send(user_id=str(user.id), headers={"X-API-Key": reader})
    assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    assert (await gateway.send(user_id=str(user.id), headers={"X-API-Key": new_api_key()})).status_code == 401
    assert (await gateway.send(user_id=str(user.id), headers={"X": "nothing"})).status_code == 401


async def test_a_known_key_works_on_a_new_process_while_user_service_and_redis_are_away(start) -> None:
    first = await start()
    user = first.peers.add_user()
    first.peers.add_template()
    key = new_api_key()
    first.peers.api_keys[hash_api_key(key)] = ApiKeyInfo(id=uuid4(), user_id=uuid4(), scopes=("notifications:write",))
    assert (await first.send(user_id=str(user.id), headers={"X-API-Key": key})).status_code == 202
    dead = FakeServer()
    dead.connected = False
    first.peers.down = True
    second = await start(redis=FakeAsyncRedis(server=dead))
    answered = await second.send(user_id=str(user.id), headers={"X-API-Key": key})
    assert (answered.status_code, answered.json()["data"]["status"]) == (202, "pending")


async def test_people_send_nothing(gateway) -> None:
    me = gateway.peers.add_user()
    gateway.peers.add_template()
    mine = gateway.token(me.id, "user")
    single = await gateway.send(user_id=str(me.id), headers=mine)
    batch = await gateway.http.post("/api/v1/notifications/batch", json={"notifications": [{}]}, headers=mine)
    for refused in (single, batch):
        assert (refused.status_code, refused.json()["error"]) == (403, "forbidden")
    listed = await gateway.http.get("/api/v1/notifications", headers=mine)
    assert (listed.status_code, listed.json()["data"]) == (200, [])


async def test_users_who_may_send_can_send_only_to_themselves(start) -> None:
    gateway = await start(users_may_send=True)
    me, other = gateway.peers.add_user(), gateway.peers.add_user()
    gateway.peers.add_template()
    mine = gateway.token(me.id, "user")
    assert (await gateway.send(user_id=str(me.id), headers=mine)).status_code == 202
    to_other = await gateway.send(user_id=str(other.id), headers=mine)
    to_nobody = await gateway.send(user_id=str(uuid4()), headers=mine)
    assert to_other.status_code == 404
    assert to_other.content == to_nobody.content


async def test_a_batch_of_which_nothing_was_accepted_is_no_success(gateway) -> None:
    gateway.peers.add_template()
    item = {"notification_type": "email", "template_code": "welcome", "variables": {"name": "Ada"}}
    items = [{**item, "user_id": str(uuid4())}, {**item, "user_id": "x"}]
    refused = await gateway.http.post("/api/v1/notifications/batch", json=items, headers=gateway.token())
    body = refused.json()
    assert (refused.status_code, body["success"], body["error"]) == (422, False, "batch_rejected")
    assert (body["data"]["accepted"], body["data"]["replayed"], body["data"]["rejected"]) == (0, 0, 2)
    assert [one["error"] for one in body["data"]["results"]] == ["user_not_found", "validation_error"]
    items.append({**item, "user_id": str(gateway.peers.add_user().id), "request_id": "r"})
    for accepted, replayed in ((1, 0), (0, 1)):
        some = await gateway.http.post("/api/v1/notifications/batch", json=items, headers=gateway.token(UUID(int=1)))
        assert (some.status_code, some.json()["success"], some.json()["error"]) == (202, True, None)
        assert (some.json()["data"]["accepted"], some.json()["data"]["replayed"]) == (accepted, replayed)


async def test_a_batch_above_the_limit_is_422_and_any_other_gets_retry_after(start) -> None:
    gateway = await start(rate_limit_per_minute=100)
    item = {"notification_type": "email", "user_id": str(uuid4()), "template_code": "welcome"}
    me = gateway.token(UUID(int=1))

    async def send(number: int):
        return await gateway.http.post("/api/v1/notifications/batch", json=[item] * number, headers=me)

    never = await send(101)
    assert (never.status_code, never.json()["error"]) == (422, "batch_exceeds_rate_limit")
    assert ("100" in never.json()["message"], "Retry-After" in never.headers) == (True, False)
    assert (await send(100)).json()["error"] == "batch_rejected", (
        "the refused batch used nothing of the limit, and a batch of exactly the limit fits"
    )
    later = await send(3)
    assert (later.status_code, later.json()["error"]) == (429, "rate_limited")
    assert 0 < int(later.headers["Retry-After"]) <= 3


async def test_a_device_that_was_registered_a_moment_ago_gets_the_notification(gateway) -> None:
    user = gateway.peers.add_user(push_tokens=())
    gateway.peers.add_template()
    push = {"user_id": str(user.id), "notification_type": "push"}
    assert (await gateway.send(**push)).json()["data"]["status"] == "suppressed"
    await gateway.changed(user, push_tokens=(PushToken(token="new"),))
    assert (await gateway.send(**push)).json()["data"]["status"] == "pending"


async def test_variables_are_those_of_the_template_as_it_was_mended_a_moment_ago(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template(required=("name", "order"))
    assert (await gateway.send(user_id=str(user.id))).status_code == 422
    await gateway.mend(required=("name",))
    assert (await gateway.send(user_id=str(user.id))).status_code == 202
