"""The gateway's record of sent notifications, compared with the workers' ledgers."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from api_gateway.main import PROOFS_WAITING
from chassis.postgres.database import Database
from contracts.ledger import LedgerTotals
from contracts.messages import first_id_of
from testkit.eventually import eventually

# PostgreSQL's own sum over the ids, computed without the gateway's code.
FINGERPRINT = text("SELECT sum(uuid_hash_extended(id, 0)::numeric)::text FROM unnest(CAST(:ids AS uuid[])) id")


@pytest.fixture
async def sent(gateway) -> list[UUID]:
    """Three e-mails that are sent by the gateway's record, and one that is not."""
    user = gateway.peers.add_user()
    gateway.peers.add_template()
    ids = [UUID((await gateway.send(user_id=str(user.id))).json()["data"]["notification_id"]) for _ in range(4)]
    for name, status in ((ids[0], "sent"), (ids[1], "delivered"), (ids[2], "sent")):
        report = {"notification_id": str(name), "status": "delivered"}
        if status == "delivered":
            await gateway.http.post("/api/v1/email/status/", json=report, headers=gateway.token())
        else:
            await _sent(gateway, name)
    return ids[:3]


async def _sent(gateway, name: UUID) -> None:
    database = Database(gateway.settings.database_url)
    async with database.begin() as connection:
        await connection.execute(
            text("UPDATE notifications SET status = 'sent', sent_at = now() WHERE id = :id"), {"id": name}
        )
    await database.close()


async def _ledger(gateway, ids: list[UUID]) -> LedgerTotals:
    database = Database(gateway.settings.database_url)
    async with database.begin() as connection:
        fingerprint = (await connection.execute(FINGERPRINT, {"ids": ids})).scalar_one()
    await database.close()
    return LedgerTotals(sent=len(ids), fingerprint=fingerprint or "0", deliveries={"sent": len(ids)})


async def _proof(gateway, **params: int) -> dict:
    answered = await gateway.http.get("/api/v1/reconcile", headers=gateway.token(), params=params)
    return answered.json()["data"]["channels"]


async def test_ledgers_that_agree_leave_nothing_unfounded(gateway, sent) -> None:
    gateway.peers.ledgers["email"] = await _ledger(gateway, sent)
    check = (await _proof(gateway))["email"]["ledger"]
    assert (check["sent_by_gateway"], check["sent_by_ledger"], check["unreported"], check["unfounded"]) == (3, 3, 0, 0)
    assert check["deliveries"] == {"sent": 3}


async def test_a_sent_delivery_without_a_report_is_unreported(gateway, sent) -> None:
    gateway.peers.ledgers["email"] = await _ledger(gateway, [*sent, UUID(int=7)])
    check = (await _proof(gateway))["email"]["ledger"]
    assert (check["unreported"], check["unfounded"]) == (1, 0)


async def test_a_sent_notification_without_a_delivery_is_unfounded(gateway, sent) -> None:
    gateway.peers.ledgers["email"] = await _ledger(gateway, sent[:1])
    check = (await _proof(gateway))["email"]["ledger"]
    assert (check["unreported"], check["unfounded"]) == (0, 2)


async def test_as_many_but_other_notifications_are_unfounded(gateway, sent) -> None:
    gateway.peers.ledgers["email"] = await _ledger(gateway, [*sent[:2], UUID(int=7)])
    assert (await _proof(gateway))["email"]["ledger"]["unfounded"] == 1


async def test_a_channel_without_a_worker_has_no_ledger_figures_and_the_others_have(gateway, sent) -> None:
    gateway.peers.ledgers["email"] = await _ledger(gateway, sent)
    channels = await _proof(gateway)
    assert channels["push"]["ledger"] is None
    assert channels["email"]["ledger"]["unfounded"] == 0
    assert channels["email"]["accepted"] == 4


async def test_only_the_hours_that_are_asked_for_are_compared(gateway, sent) -> None:
    gateway.peers.ledgers["email"] = await _ledger(gateway, sent)
    await _proof(gateway, hours=2)
    first, last = [asked for asked in gateway.peers.asked if "email ledger" in asked][-1].split()[2:]
    now = datetime.now(UTC)
    assert first_id_of(now - timedelta(hours=2, seconds=30)) < UUID(first) < first_id_of(now - timedelta(hours=2))
    assert max(sent) < UUID(last) < first_id_of(now + timedelta(seconds=1))


@pytest.mark.parametrize("hours", [0, 8761, "x"])
async def test_hours_that_make_no_sense_are_refused(gateway, hours) -> None:
    answered = await gateway.http.get("/api/v1/reconcile", headers=gateway.token(), params={"hours": hours})
    assert answered.status_code == 422


async def test_the_metric_is_removed_while_no_worker_answers(start, peers) -> None:
    peers.ledgers["email"] = LedgerTotals(sent=0, fingerprint="1", deliveries={})  # as many, but not the same
    gateway = await start(reconcile_interval_seconds=0.05)

    def shown(channel: str) -> float | None:
        return gateway.app.state.metrics.get_sample_value("notifications_unfounded", {"type": channel})

    await eventually(lambda: shown("email") == 1, 10)
    assert shown("push") is None
    peers.down = True
    await eventually(lambda: shown("email") is None, 10)


async def test_repeated_requests_for_the_proof_delay_only_their_caller(gateway) -> None:
    """A proof may read every row, with a connection of the pool's: one at a time for each caller, a few may wait."""
    eager = UUID(int=1)
    async with gateway.app.state.services.proofs.turn(f"user:{eager}"):
        asked = [
            asyncio.create_task(gateway.http.get("/api/v1/reconcile?recount=true", headers=gateway.token(eager)))
            for _ in range(PROOFS_WAITING + 1)
        ]
        refused = await next(iter(asyncio.as_completed(asked)))
        assert (refused.status_code, refused.json()["error"], refused.headers["Retry-After"]) == (
            429,
            "rate_limited",
            "1",
        )
        assert "RateLimit-Limit" in refused.headers
        assert (await gateway.http.get("/api/v1/reconcile", headers=gateway.token())).status_code == 200
        assert sum(not one.done() for one in asked) == PROOFS_WAITING
    assert sorted(one.status_code for one in await asyncio.gather(*asked)) == [200] * PROOFS_WAITING + [429]
