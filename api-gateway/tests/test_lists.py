"""`meta` is exact: which page this is, and whether there is a next one."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import text

from contracts.messages import first_id_of

USER = UUID(int=7)
FILL = text("""
INSERT INTO notifications (id, caller, request_id, correlation_id, notification_type, user_id, template_code, variables,
    metadata, priority, status)
SELECT CAST(lpad(to_hex(CAST(:newest AS bigint) + n), 12, '0') || '7' || substr(md5(n::text), 1, 19) AS uuid), 'c', 'r' || n,
    's', 'email', :user_id, 't', '{}', '{}', 5, 'failed'
FROM generate_series(1, CAST(:rows AS int)) n
""")


async def _fill(gateway, rows: int) -> None:
    newest = first_id_of(datetime.now(UTC)).int >> 80
    async with gateway.root.database.begin() as connection:
        await connection.execute(FILL, {"newest": newest, "rows": rows, "user_id": USER})


async def _page(gateway, path: str, **query: object) -> dict:
    answered = await gateway.http.get(f"/api/v1/{path}", params=query, headers=gateway.token())
    assert answered.status_code == 200, answered.text
    return answered.json()


@pytest.mark.parametrize("path", ["notifications", "failed"])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 5, 6])
async def test_pages_by_number_and_by_cursor_are_the_same_pages(gateway, path: str, rows: int) -> None:
    await _fill(gateway, rows)
    cursor: dict[str, str] = {}
    for number in range(1, max(1, -(-rows // 2)) + 1):
        by_number, by_cursor = (
            await _page(gateway, path, limit=2, page=number),
            await _page(gateway, path, limit=2, **cursor),
        )
        assert by_number == by_cursor
        more = number * 2 < rows
        expected = {
            "total": rows, "limit": 2, "page": number, "total_pages": max(1, -(-rows // 2)), "has_next": more,
            "has_previous": number > 1, **({"next_cursor": by_number["data"][-1]["notification_id"]} if more else {}),
        }  # fmt: skip
        assert by_number["meta"] == expected
        cursor = {"cursor": by_number["meta"].get("next_cursor", "")}


async def test_a_cursor_between_two_pages_hides_nothing(gateway) -> None:
    await _fill(gateway, 6)
    ids = [one["notification_id"] for one in (await _page(gateway, "notifications"))["data"]]
    for place, cursor in enumerate(ids, start=1):
        page = await _page(gateway, "notifications", limit=2, cursor=cursor)
        assert [one["notification_id"] for one in page["data"]] == ids[place : place + 2]
        assert page["meta"]["has_next"] == (place + 2 < 6)
        assert page["meta"]["has_previous"] is True
    before_all = await _page(gateway, "notifications", limit=2, cursor=str(UUID(int=2**128 - 1)))
    assert (before_all["meta"]["has_previous"], before_all["meta"]["page"]) == (False, 1)


async def test_has_next_is_exact_beyond_the_counted_total(gateway) -> None:
    await _fill(gateway, 10_101)
    last_counted = await _page(gateway, "notifications", limit=100, page=100)
    assert (last_counted["meta"]["has_next"], len(last_counted["data"])) == (True, 100)
    assert (last_counted["meta"]["total"], last_counted["meta"]["total_pages"]) == (10_001, 101)
    cursor = last_counted["meta"]["next_cursor"]
    for page in (
        await _page(gateway, "notifications", limit=100, page=101),
        await _page(gateway, "notifications", limit=100, cursor=cursor),
    ):
        assert (page["meta"]["has_next"], len(page["data"])) == (True, 100)
        assert page["meta"]["page"] == 101
        last = await _page(gateway, "notifications", limit=100, cursor=page["meta"]["next_cursor"])
        assert (last["meta"]["has_next"], last["meta"]["has_previous"], len(last["data"])) == (False, True, 1)
    narrowed = await _page(gateway, "notifications", limit=1, user_id=str(UUID(int=8)))
    assert (narrowed["meta"]["has_next"], narrowed["meta"]["has_previous"], narrowed["meta"]["total"]) == (
        False,
        False,
        0,
    )
    beyond = await _page(gateway, "notifications", limit=100, page=200)
    assert (beyond["meta"]["has_next"], beyond["data"]) == (False, [])


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("failed", "page, limit, cursor, notification_type"),
        ("reconcile", "hours, recount"),
    ],
)
async def test_an_unknown_parameter_is_refused_by_its_name_beside_those_that_are_known(gateway, path, known) -> None:
    answered = await gateway.http.get(f"/api/v1/{path}", params={"type": "x", "since": "y"}, headers=gateway.token())
    assert (answered.status_code, answered.json()["error"]) == (422, "validation_error")
    message = f"There is no such parameter here; known are {known}"
    assert answered.json()["data"]["errors"] == [{"field": name, "message": message} for name in ("type", "since")]


async def test_one_is_not_called_several(gateway) -> None:
    assert (await _page(gateway, "notifications"))["message"] == "0 notifications"
    await _fill(gateway, 1)
    assert (await _page(gateway, "notifications"))["message"] == "1 notification"
    assert (await _page(gateway, "failed"))["message"] == "1 dead letter"


async def test_without_credentials_the_answer_is_401_whatever_the_parameters(gateway) -> None:
    assert (await gateway.http.get("/api/v1/notifications", params={"type": "x"})).status_code == 401
