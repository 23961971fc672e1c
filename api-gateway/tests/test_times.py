"""Times of a caller or a provider never change our times and never cause a 5xx."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api_gateway.repositories import accepting, outbox, progress
from api_gateway.repositories.accepting import NewNotification
from api_gateway.repositories.outbox import Ended, QueuedMark, Round
from api_gateway.repositories.progress import RetryFilter
from api_gateway.settings import ALEMBIC
from chassis.json_values import JsonObject
from chassis.postgres.database import Database
from chassis.security.data_keys import DataKeys
from contracts.messages import StatusEvent
from contracts.status import Status
from testkit.eventually import eventually

FAR = [
    "9999-12-31T23:59:59-12:00",
    "9999-12-31T23:59:59",
    "0001-01-01T00:00:00+14:59",
    "1132-01-01T00:00:00Z",
    "2026-11-26T10:00:60Z",
    "2026-11-26T10:00:00+01:00:30",
    "2026-11-26T10:00:00\0",
    1e300,
    -1,
]


async def _accepted(gateway, **changes) -> str:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    return (await gateway.send(user_id=str(user.id), **changes)).json()["data"]["notification_id"]


async def test_the_briefs_callback_leaves_our_times_alone(gateway) -> None:
    notification_id = await _accepted(gateway, request_id="req_123456")
    before = await gateway.until(notification_id, "queued")
    await gateway.callback("req_123456", "delivered", timestamp="2024-01-01T12:00:00Z", error=None)
    detail = await gateway.detail(notification_id)
    assert detail["queued_at"] == before["queued_at"]
    assert detail["created_at"] <= detail["queued_at"] <= detail["ended_at"] <= datetime.now(UTC).isoformat()
    assert [step["status"] for step in detail["timeline"]] == ["accepted", "queued", "delivered"]
    assert detail["timeline"][-1]["at"] == detail["ended_at"]
    assert datetime.fromisoformat(detail["timeline"][-1]["provider_timestamp"]) == datetime(2024, 1, 1, 12, tzinfo=UTC)
    assert detail["timeline"][0]["provider_timestamp"] is None


async def test_a_worker_whose_clock_is_wrong_does_not_rewrite_them_either(gateway) -> None:
    for wrong in (timedelta(days=-400), timedelta(days=400)):
        notification_id = await _accepted(gateway)
        await gateway.until(notification_id, "queued")
        await gateway.report(notification_id, "retrying", at=datetime.now(UTC) + wrong)
        await gateway.report(notification_id, "sent", at=datetime.now(UTC) + wrong)
        await gateway.until(notification_id, "sent")
        await gateway.report(notification_id, "failed", at=datetime.now(UTC) - wrong)
        _assert_in_order(await gateway.until(notification_id, "failed"))


def _assert_in_order(detail: dict) -> None:
    times = [detail[name] for name in ("created_at", "queued_at", "sent_at", "ended_at") if detail[name]]
    assert times == sorted(times)
    assert all(detail["created_at"] <= step["at"] <= datetime.now(UTC).isoformat() for step in detail["timeline"])
    assert detail["ended_at"] is None or detail["status"] not in {"pending", "queued", "sent"}


@pytest.mark.parametrize("moment", FAR)
async def test_a_senseless_time_is_refused_by_name(gateway, moment: object) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    for field in ("send_at", "expires_at"):
        refused = await gateway.send(user_id=str(user.id), **{field: moment})
        assert (refused.status_code, refused.json()["data"]["errors"][0]["field"]) == (422, field)
    called_back = await gateway.callback("x", "delivered", timestamp=moment)
    assert (called_back.status_code, called_back.json()["data"]["errors"][0]["field"]) == (422, "timestamp")
    for field in ("created_after", "created_before"):
        listed = await gateway.http.get("/api/v1/notifications", params={field: str(moment)}, headers=gateway.token())
        assert (listed.status_code, listed.json()["data"]["errors"][0]["field"]) == (422, field)
    good = {"notification_type": "email", "user_id": str(user.id), "template_code": "welcome", "variables": {"name": 1}}
    items = [good, {**good, "send_at": moment}, {**good, "expires_at": moment}, good]
    batch = await gateway.http.post("/api/v1/notifications/batch", json=items, headers=gateway.token())
    assert [one["status_code"] for one in batch.json()["data"]["results"]] == [202, 422, 422, 202]


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("created_after=2026-01-01", True),
        ("created_before=2026-01-01", False),
        ("created_after=2099-12-31", False),
        ("created_after=2026-01-01T10:00:00+02:00", True),  # a query string decodes the plus to a blank
        ("created_before=2026-01-01T10:00:00+02:00", False),
        ("created_after=2026-01-01T10:00:00%2B02:00", True),
        ("created_after=2026-01-01%2010:00", True),
        ("created_after=2000-01-01T00:00:00Z&created_before=2099-12-31T23:59:59.999999Z", True),
    ],
)
async def test_a_list_is_narrowed_by_dates_and_by_times(gateway, query: str, listed: bool) -> None:
    notification_id = await _accepted(gateway)
    answered = await gateway.http.get(f"/api/v1/notifications?{query}", headers=gateway.token())
    assert answered.status_code == 200, answered.text
    assert [one["notification_id"] for one in answered.json()["data"]] == ([notification_id] if listed else [])


async def test_a_repeat_gets_its_first_answer_after_expires_at(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    soon = datetime.now(UTC) + timedelta(seconds=0.7)
    asked = {"user_id": str(user.id), "request_id": "r", "expires_at": soon.isoformat()}
    first = await gateway.send(**asked)
    assert first.status_code == 202
    await eventually(lambda: datetime.now(UTC) > soon, 5)
    again = await gateway.send(**asked)
    assert (again.status_code, again.json()["data"]) == (202, first.json()["data"])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await gateway.send(**asked, priority=1)).json()["error"] == "idempotency_key_reused"
    item = {"notification_type": "email", "template_code": "welcome", "variables": {"name": "Ada"}, **asked}
    late = await gateway.http.post(
        "/api/v1/notifications/batch", json=[item, {**item, "request_id": "new"}], headers=gateway.token(UUID(int=1))
    )
    assert [one["status_code"] for one in late.json()["data"]["results"]] == [202, 422]
    assert late.json()["data"]["results"][1]["data"]["errors"][0]["field"] == "expires_at"


async def test_times_of_new_requests_must_be_in_the_future_and_within_a_year(gateway) -> None:
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    now = datetime.now(UTC)
    for field, moment in (("expires_at", now), ("send_at", now + timedelta(days=367))):
        refused = await gateway.send(user_id=str(user.id), **{field: moment.isoformat()})
        assert (refused.status_code, refused.json()["error"]) == (422, "validation_error")
        assert refused.json()["data"]["errors"][0]["field"] == field
    turned = {"send_at": (now + timedelta(days=2)).isoformat(), "expires_at": (now + timedelta(days=1)).isoformat()}
    refused = await gateway.send(user_id=str(user.id), **turned)
    assert (refused.status_code, refused.json()["data"]["errors"][0]["field"]) == (422, "expires_at")


LATER = datetime(2099, 1, 1, tzinfo=UTC)
STATUSES = ("retrying", "sent", "delivered", "failed", "suppressed", "expired", "unknown")
moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)) | st.none()  # noqa: DTZ001
steps = st.lists(
    st.tuples(st.sampled_from([*STATUSES, "queued", "again", "finished"]), moments, moments, moments),
    min_size=1,
    max_size=8,
)


@pytest.fixture
async def database(databases):
    database = Database(await databases(ALEMBIC))
    yield database
    await database.close()


async def test_our_times_are_ordered_for_any_order_and_times_of_reports(database) -> None:
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(steps)
    @example([("sent", datetime(2000, 1, 1, tzinfo=UTC), None, None), ("delivered", None, LATER, None)])
    def explore(taken) -> None:
        asyncio.run_coroutine_threadsafe(_walk(database, taken), loop).result()

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(explore)


async def _walk(database: Database, taken) -> None:
    new = _new()
    async with database.autocommit() as connection:
        await accepting.accept(connection, [new], writer="w", lease_seconds=30, data_keys=DataKeys())
    for step, at, queued_at, provider_timestamp in taken:
        async with database.begin() as connection:
            replay = await connection.scalar(
                progress.text("SELECT replay FROM notifications WHERE id = :id"), {"id": new.id}
            )
            match step:
                case "queued":
                    mark = QueuedMark(Round(new.id, replay), at or datetime.now(UTC))
                    await outbox.mark_queued(connection, [mark])
                case "again":
                    await progress.retry_ended(connection, RetryFilter(ids=[new.id]))
                case "finished":
                    ended = [Ended(Round(new.id, replay), Status.EXPIRED, "x")]
                    await outbox.finish(connection, ended, data_keys=DataKeys())
                case _:
                    event = StatusEvent(
                        notification_id=new.id, notification_type="email", status=step, replay=replay,
                        at=at or datetime.now(UTC), queued_at=queued_at, provider_timestamp=provider_timestamp,
                    )  # fmt: skip
                    await progress.apply_events(connection, [event], data_keys=DataKeys())
            row = (await connection.execute(_TIMES, {"id": new.id})).one()
        times = [moment for moment in row[:4] if moment is not None]
        assert times == sorted(times), (taken, row)
        assert times[-1] <= row.now
        assert (row.ended_at is None) == (row.status in {"pending", "queued", "sent"}), (taken, row)
        assert row.status != "queued" or row.queued_at is not None, (taken, row)


_TIMES = progress.text(
    "SELECT created_at, queued_at, sent_at, ended_at, clock_timestamp() AS now, status FROM notifications WHERE id = :id"
)


def _new() -> NewNotification:
    return NewNotification(
        id=uuid4(), caller="c", request_id=str(uuid4()), body_hash="h", correlation_id="s", trace_context=None,
        notification_type="email", user_id=uuid4(), template_code="t", template_version=1, language="en",
        variables=JsonObject.empty(), metadata=JsonObject.empty(), priority=5, recipient={}, given_recipient=None,
        sender=None, email_options=None, overrides=None, status="pending",
        code=None, send_at=None, expires_at=None, delivery_guarantee="at_least_once", disposition="leased",
    )  # fmt: skip
