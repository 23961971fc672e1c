"""The suppression list as a file: complete, read in pages, masked, audited, and accepted by the import."""

import csv
from datetime import UTC, datetime
from hashlib import sha256

import httpx2
import pytest

from contracts.suppressions import MAX_EXPORTED, SuppressionEntry

PATH, IMPORT = "/api/v1/suppressions/export", "/api/v1/suppressions/import"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def entries(number: int) -> list[SuppressionEntry]:
    made = [
        SuppressionEntry(
            fingerprint=sha256(str(one).encode()).hexdigest(),
            masked='"***@exa,mple.com' if one == 0 else "a***@example.com",
            reason="bounced" if one % 2 else "complained",
            origin="bounce",
            created_at=AT,
        )
        for one in range(number)
    ]
    return sorted(made, key=lambda one: one.fingerprint)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize(("number", "pages"), [(0, 1), (3, 1), (MAX_EXPORTED, 2), (2 * MAX_EXPORTED + 1, 3)])
async def test_every_entry_is_in_the_file_once(gateway, number, pages) -> None:
    gateway.peers.suppressed = entries(number)
    answered = await gateway.http.get(PATH, headers=gateway.token())
    assert answered.status_code == 200
    assert answered.headers["content-type"] == "text/csv; charset=utf-8"
    assert answered.headers["content-disposition"] == 'attachment; filename="suppressions.csv"'
    assert answered.text.startswith("fingerprint,masked,reason,origin,created_at\r\n")
    assert rows_of(answered.text) == [
        {**one.model_dump(mode="json", exclude={"notification_id"}), "created_at": "2026-01-02T03:04:05+00:00"}
        for one in gateway.peers.suppressed
    ]
    assert gateway.peers.asked.count("export") == pages


async def test_an_export_is_noted_and_can_be_of_one_reason(gateway) -> None:
    gateway.peers.suppressed = entries(10)
    admin = gateway.token()
    answered = await gateway.http.get(PATH, params={"reason": "complained"}, headers=admin)
    assert {row["reason"] for row in rows_of(answered.text)} == {"complained"}
    events = (await gateway.http.get("/api/v1/audit", params={"action": "suppressions.exported"}, headers=admin)).json()
    assert [event["after"] for event in events["data"]] == [{"reason": "complained"}]
    for wrong in ({"reason": "unknown"}, {"page": "2"}):
        assert (await gateway.http.get(PATH, params=wrong, headers=admin)).status_code == 422


async def test_an_exported_list_can_be_imported(gateway) -> None:
    gateway.peers.suppressed = entries(MAX_EXPORTED + 5)
    admin = gateway.token()
    exported = (await gateway.http.get(PATH, headers=admin)).content
    answered = await gateway.http.post(IMPORT, content=exported, headers={**admin, "content-type": "text/csv"})
    assert answered.json()["data"] == {"rows": MAX_EXPORTED + 5, "added": MAX_EXPORTED + 5}, answered.text
    taken = {
        (one.fingerprint, one.masked, new.reason) for new in gateway.peers.added_suppressions for one in new.exported
    }
    assert taken == {(one.fingerprint, one.masked, one.reason) for one in gateway.peers.suppressed}


async def test_only_administrators_export_and_a_503_is_no_audit_event(gateway) -> None:
    assert (await gateway.http.get(PATH, headers=gateway.token(role="user"))).status_code == 403
    assert (await gateway.http.get(PATH)).status_code == 401
    gateway.peers.down = True
    answered = await gateway.http.get(PATH, headers=gateway.token())
    assert (answered.status_code, answered.json()["error"]) == (503, "dependency_unavailable")
    events = await gateway.http.get(
        "/api/v1/audit", params={"action": "suppressions.exported"}, headers=gateway.token()
    )
    assert events.json()["data"] == []


async def test_a_file_that_breaks_off_has_no_end(gateway, served) -> None:
    gateway.peers.suppressed, gateway.peers.exports = entries(MAX_EXPORTED + 1), 1
    async with served(gateway.app) as url, httpx2.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.get(url + PATH, headers=gateway.token())
