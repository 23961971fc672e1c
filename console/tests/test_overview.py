"""The overview: the figures of a period as people read them, renewed without a new page."""

import re
from typing import Any

import httpx2
import pytest

from console.main import create_app
from console.services.overview import PERIODS, columns_of, overview_of
from notifications import Statistics
from tests.visiting import Browser, System, settings

STEP = {"at": "2026-01-01T11:01:00Z", "accepted": 0, "sent": 0, "delivered": 0, "failed": 0, "in_work": 0}
NEVER = {"p50": None, "p95": None}
WAITS = {
    "notification_id": "01997a5c-3f6e-7c1a-9b1e-0d1f2a3b4c5d", "notification_type": "push", "status": "queued",
    "since": "2026-01-01T11:59:00Z", "seconds": 75,
}  # fmt: skip


def figures(accepted: int = 0, final: int = 0, in_work: int = 0, **more: Any) -> Statistics:
    balance = {"accepted": accepted, "final": final, "in_work": in_work, "difference": accepted - final - in_work}
    given = {
        "period": "hour", "step_seconds": 60, "since": "2026-01-01T11:00:00Z", "until": "2026-01-01T12:00:00Z",
        "counted_since": None, "balance": balance, "by_status": {}, "held": 0, "latency": NEVER, "oldest_waiting": None,
        "steps": [{**STEP, "latency": NEVER}],
    }  # fmt: skip
    return Statistics.model_validate({**given, **more})


async def test_it_has_the_search_for_a_notification(admin: Browser) -> None:
    page = (await admin.open("/")).text
    form = page.split('action="/notifications" role="search"')[1].split("</form>")[0]
    assert 'name="q"' in form


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (figures(), "Nothing was accepted, and nothing is missing."),
        (figures(1, 1), "Of 1 accepted, 1 has ended and 0 are in work. None is missing."),
        (figures(1234, 1200, 34), "Of 1,234 accepted, 1,200 have ended and 34 are in work. None is missing."),
        (figures(5, 2, 1), "Of 5 accepted, 2 have ended and 1 is in work. These differ by 2, which must be 0"),
    ],
)
def test_the_balance_is_a_sentence(found: Statistics, sentence: str) -> None:
    assert overview_of(found).balance.startswith(sentence)
    assert (overview_of(found).tone == "good") == (found.balance.difference == 0)


@pytest.mark.parametrize(
    ("sent", "of", "shown"),
    [(0, 0, "0 delivered"), (1, 3, "33.3 %, 0 delivered"), (9_999, 10_000, "> 99.9 %, 0 delivered"),
     (1, 10_000, "< 0.1 %, 0 delivered"), (5, 5, "100 %, 0 delivered")],
)  # fmt: skip
def test_a_share_never_rounds_a_loss_away(sent: int, of: int, shown: str) -> None:
    tiles = {tile.name: tile for tile in overview_of(figures(of, of, by_status={"sent": sent})).tiles}
    assert tiles["sent"].note == shown


def test_what_waits_is_not_called_quiet_and_leads_to_it() -> None:
    assert overview_of(figures()).empty
    seen = overview_of(figures(oldest_waiting=WAITS))
    tile = next(tile for tile in seen.tiles if tile.name == "oldest")
    assert not seen.empty
    assert (tile.value, tile.note, tile.tone) == ("75 s", "queued, push", "wait")
    assert tile.link.endswith(WAITS["notification_id"])


def test_what_has_a_page_of_its_own_leads_there() -> None:
    links = {tile.name: tile.link for tile in overview_of(figures(held=3)).tiles if tile.link}
    assert links == {"failed": "/failed", "held": "/holds"}


def test_what_was_not_sent_and_did_not_fail_is_named() -> None:
    def tile(**by_status: int) -> tuple[str, str, str]:
        found = overview_of(figures(9, 9, by_status=by_status)).tiles
        return next((one.value, one.note, one.link) for one in found if one.name == "otherwise")

    assert tile() == ("0", "suppressed, expired, cancelled", "")
    assert tile(suppressed=1, sent=5) == ("1", "1 suppressed", "/notifications?status=suppressed&since=")
    assert tile(suppressed=1, cancelled=3, unknown=1) == (
        "5",
        "1 suppressed, 3 cancelled, 1 unknown",
        "/notifications?status=cancelled&since=",
    )


def test_the_table_has_only_steps_with_something_and_the_charts_have_all() -> None:
    busy = {**STEP, "at": "2026-01-01T11:02:00Z", "accepted": 1200, "sent": 1190, "latency": {"p50": 0.12, "p95": 3}}
    found = figures(1200, 1200, steps=[{**STEP, "latency": NEVER}, busy])
    assert [row.figures for row in overview_of(found).rows] == [["1,200", "1,190", "0", "0", "0", "120 ms", "3.0 s"]]
    columns = columns_of(found)
    assert (columns["accepted"], columns["p50"], columns["step"]) == ([0, 1200], [None, 0.12], 60)
    assert columns["at"][1] - columns["at"][0] == 60


@pytest.mark.parametrize("period", PERIODS)
async def test_the_page_shows_what_was_sent_and_its_figures_are_renewed(
    admin: Browser, system: System, period: str
) -> None:
    system.send(system.user()["id"], system.template())
    page = (await admin.open(f"/?period={period}")).text
    assert "None is missing." in page
    assert f'href="/?period={period}" aria-current="page"' in page
    answer = await admin.open(f"/overview/figures?period={period}")
    renewed = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    tiles = {tile["name"]: tile["value"] for tile in renewed["page"]["tiles"]}
    assert int(tiles["accepted"].replace(",", "")) == sum(renewed["charts"]["accepted"]) > 0
    assert len(renewed["page"]["rows"]) <= len(renewed["charts"]["at"])
    shown = re.findall(r'data-tile="accepted".*?class="value">([^<]+)<', page, re.DOTALL)
    assert int(shown[0].replace(",", "")) > 0


async def test_a_period_that_no_link_offers_is_refused(admin: Browser) -> None:
    assert (await admin.open("/?period=year")).status_code == 422


async def test_an_application_sees_its_own_and_a_user_starts_at_the_notifications(
    visitor: Browser, system: System
) -> None:
    await visitor.submit("/login", "/login/key", key=system.key("notifications:read"))
    page = (await visitor.open("/")).text
    assert "Quiet in the last hour" in page
    assert "Nothing was accepted, and nothing waits" in page
    visitor.http.cookies.clear()
    await visitor.submit("/login", "/login/key", key=system.key("templates:read"))
    assert (await visitor.open("/")).headers["location"] == "/templates"
    assert (await visitor.open("/overview/figures")).status_code == 403


async def test_a_gateway_of_the_previous_release_has_no_figures_and_the_page_says_so(admin: Browser) -> None:
    def previous(request: httpx2.Request) -> httpx2.Response:
        envelope = {
            "success": False,
            "message": "There is no such route",
            "data": None,
            "error": "not_found",
            "meta": {},
        }
        return httpx2.Response(404, json=envelope, request=request)

    app = create_app(settings("http://gateway.test"), transport=httpx2.MockTransport(previous))
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://console.test") as http:
        http.cookies.set("console", admin.http.cookies["console"], domain="console.test", path="/")
        page = await http.get("/")
    assert page.status_code == 404
    assert 'href="/notifications"' in page.text
