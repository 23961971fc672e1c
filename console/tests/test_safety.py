"""Forms of other sites, headers, the cookie's flags, and a gateway that does not answer."""

import re
from pathlib import Path
from secrets import token_hex
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from console.main import create_app
from console.pages import STATIC
from tests.visiting import Browser, System, csrf_of, settings

FORMS = (
    "/login", "/login/code", "/login/key", "/logout", "/failed/replay", "/holds",
    f"/holds/{uuid4()}/release", f"/holds/{uuid4()}/cancel",
    f"/notifications/{uuid4()}/cancel", f"/notifications/{uuid4()}/retry",
    "/suppressions/add", "/suppressions/import", f"/suppressions/{'0' * 64}/remove", "/applications/new",
    *(f"/applications/{uuid4()}/{what}" for what in ("change", "disable", "enable", "delete", "keys/new")),
    *(f"/applications/{uuid4()}/keys/{uuid4()}/{what}" for what in ("replace", "revoke")),
    *(f"/users/{uuid4()}/{what}" for what in ("change", "export", "erase", "disable", "enable", f"devices/{uuid4()}/remove")),
    "/template-preview", "/template-frame", "/new-template", "/templates/welcome_email/languages",
    "/templates/welcome_email/edit", "/templates/welcome_email/activate", "/templates/welcome_email/test",
)  # fmt: skip
MORE = ("/suppressions", "/suppressions/export", "/applications", "/applications/keys", "/audit", "/system")
TEMPLATES = Path(STATIC).parent / "templates"


def test_these_are_all_forms() -> None:
    app = create_app(settings("http://localhost:1"))
    posted = {route.path for route in iter_route_contexts(app.router.routes) if "POST" in (route.methods or ())}
    assert len(posted) == len(FORMS)


@pytest.mark.parametrize("action", FORMS)
@pytest.mark.parametrize("csrf", [None, "", "x" * 32, "é"])
async def test_a_form_without_the_sessions_token_does_nothing(admin: Browser, action: str, csrf: str | None) -> None:
    fields = {} if csrf is None else {"csrf": csrf}
    refused = await admin.http.post(action, data=fields, headers={"sec-fetch-site": "same-origin"})
    assert refused.status_code == 403
    assert "too old" in refused.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_form_of_another_site_does_nothing_even_with_the_token(admin: Browser, site: str) -> None:
    csrf = csrf_of((await admin.open("/notifications")).text)
    refused = await admin.http.post("/logout", data={"csrf": csrf}, headers={"sec-fetch-site": site})
    assert refused.status_code == 403
    assert (await admin.open("/notifications")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/login", "/notifications", "/no-such-page", "/notifications/x", "/static/console.css"]
)
async def test_every_answer_forbids_what_is_inline_and_foreign(admin: Browser, path: str) -> None:
    headers = (await admin.open(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_no_template_has_a_script_or_a_style_of_its_own(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|\|\s*safe|<script(?![^>]*\ssrc=)", text)


async def test_pages_are_not_kept_and_assets_are(admin: Browser) -> None:
    page = await admin.open("/notifications")
    assert page.headers["cache-control"] == "no-store"
    for asset in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text):
        got = await admin.open(asset)
        assert got.status_code == 200
        assert "immutable" in got.headers["cache-control"]


def test_what_is_not_ours_has_its_licence_beside_it() -> None:
    assert "Zero-Clause BSD" in (STATIC / "htmx.LICENSE.txt").read_text()
    assert "MIT License" in (STATIC / "uplot.LICENSE.txt").read_text()


async def test_in_production_the_cookie_goes_over_tls_only(browsers: Any, system: System) -> None:
    secrets = {"console_secret_key": token_hex(24), "metrics_token": token_hex(24)}
    browser = await browsers(system.url, "https://console.test", environment="production", **secrets)
    header = (await browser.open("/login")).headers["set-cookie"]
    assert header.startswith("__Host-console=")
    for flag in ("HttpOnly", "Secure", "Path=/", "SameSite=lax"):
        assert flag in header
    await browser.log_in()
    assert (await browser.open("/notifications")).status_code == 200


async def test_the_cookie_shows_nothing(admin: Browser) -> None:
    value = admin.http.cookies["console"]
    assert len(value) < 4_000
    assert "eyJ" not in value


async def test_without_the_gateway_the_page_says_so_and_the_console_stays_ready(
    browsers: Any, admin: Browser, unused_tcp_port: int
) -> None:
    down = await browsers(f"http://127.0.0.1:{unused_tcp_port}")
    down.http.cookies.set("console", admin.http.cookies["console"], domain="console.test", path="/")
    for path in (
        "/",
        "/notifications",
        f"/notifications/{uuid4()}",
        "/users?q=a@example.com",
        "/failed",
        "/templates",
        "/holds",
        *MORE,
    ):
        page = await down.open(path)
        assert page.status_code == 503
        assert "The gateway does not answer" in page.text
        assert 'href="/notifications' in page.text, "one can go on from here"
    assert (await down.open("/health/readiness")).status_code == 200
    health = (await down.open("/health")).json()
    assert (health["status"], health["data"]["dependencies"]["api-gateway"]["status"]) == ("degraded", "down")
    part = await down.open(f"/notifications/{uuid4()}/live", **{"hx-request": "true"})
    assert (part.status_code, part.headers["hx-reswap"], part.text) == (503, "none", ""), (
        "the page stays, and asks again"
    )
    down.http.cookies.clear()
    assert (await down.submit("/login", "/login", email="a@example.com", password="x")).status_code == 503


async def test_health_is_json_and_metrics_are_there(visitor: Browser) -> None:
    assert (await visitor.open("/health")).json()["data"]["service"] == "console"
    await visitor.open("/login")
    assert 'route="/login"' in (await visitor.open("/metrics")).text


async def test_a_proxy_in_place_of_the_gateway_is_a_clear_page(browsers: Any, admin: Browser) -> None:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(502, text="<html>bad gateway</html>")

    app = create_app(settings("http://proxy.test"), transport=httpx2.MockTransport(answer))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console.test") as http:
        http.cookies.set("console", admin.http.cookies["console"], domain="console.test", path="/")
        page = await http.get("/notifications")
    assert page.status_code == 503
    assert "bad gateway" not in page.text
    assert "A part of the system is not available" in page.text
