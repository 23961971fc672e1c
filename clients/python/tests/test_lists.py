"""Lists come page by page, when they are needed."""

import json
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from notifications import AsyncNotifications, Notifications
from testkit.faulty_http import Asked, FaultyServer, Reply

ROWS = [{"code": f"t-{i}", "name": "", "description": "", "channels": [], "languages": [], "default_language": "en",
         "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"} for i in range(7)]  # fmt: skip


def serve(asked: Asked) -> Reply:
    """Templates have pages; what else is asked for has cursors."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(asked.path).query).items()}
    limit, page = int(query["limit"]), int(query.get("page", 1))
    start = int(query["cursor"]) if "cursor" in query else (page - 1) * limit
    more = start + limit < len(ROWS)
    meta = {"total": 7, "limit": limit, "page": page, "total_pages": 3, "has_next": more, "has_previous": start > 0}
    if more and "/templates" not in asked.path:
        meta["next_cursor"] = str(start + limit)
    rows = ROWS[start : start + limit]
    if "/failed" in asked.path:
        rows = []
    body = {"success": True, "message": "", "data": rows, "error": None, "meta": meta}
    return Reply(200, json.dumps(body).encode())


@pytest.fixture
def server():
    with FaultyServer(serve).running() as running:
        yield running


def test_iterating_gets_one_page_after_the_other(server: FaultyServer) -> None:
    with httpx2.Client(trust_env=False) as http, Notifications(server.url, api_key="k", http_client=http) as client:
        listing = client.templates.list(page_size=3, search="x")
        assert server.asked == [], "nothing is asked before it is needed"
        assert [row.code for row in listing] == [f"t-{i}" for i in range(7)]
        assert [asked.path.partition("?")[2] for asked in server.asked] == [
            "search=x&limit=3", "search=x&page=2&limit=3", "search=x&page=3&limit=3",
        ]  # fmt: skip
        server.asked.clear()
        assert next(iter(listing)).code == "t-0"
        assert len(server.asked) == 1
        assert [len(page.items) for page in listing.pages()] == [3, 3, 1]


def test_a_list_with_cursors_goes_on_by_cursor(server: FaultyServer) -> None:
    with httpx2.Client(trust_env=False) as http, Notifications(server.url, api_key="k", http_client=http) as client:
        list(client.failed(page_size=3))
        assert [asked.path.partition("?")[2] for asked in server.asked] == [
            "limit=3",
            "cursor=3&limit=3",
            "cursor=6&limit=3",
        ]
        page = client.failed(page_size=3, cursor="3").page()
        assert (page.items, page.meta.next_cursor) == ([], "6")


async def test_the_same_in_an_event_loop(server: FaultyServer) -> None:
    async with (
        httpx2.AsyncClient(trust_env=False) as http,
        AsyncNotifications(server.url, api_key="k", http_client=http) as client,
    ):
        listing = client.templates.list(page_size=3)
        assert [row.code async for row in listing] == [f"t-{i}" for i in range(7)]
        assert [len(page.items) async for page in listing.pages()] == [3, 3, 1]
        assert (await listing.page()).meta.total == 7
