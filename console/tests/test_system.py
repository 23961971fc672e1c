"""The state of every service, and a page that says so when the gateway is down."""

from typing import Any

from console.services.system import note_on, summary_of
from notifications import DependencyState, ServiceHealth, SystemHealth
from tests.visiting import Browser

SERVICES = ("api-gateway", "user-service", "template-service", "email-service", "push-service")


async def test_every_service_is_there_and_the_page_asks_again(admin: Browser) -> None:
    page = (await admin.open("/system")).text
    assert all(f'data-label="Service">{name}<' in page for name in SERVICES)
    assert "All 5 services are healthy." in page
    assert 'hx-get="/system/live?poll=0"' in page
    part = (await admin.open("/system/live?poll=3", **{"hx-request": "true"})).text
    assert "poll=4" in part
    assert "<html" not in part
    last = (await admin.open("/system/live?poll=359")).text
    assert "hx-get" not in last
    assert "Check again" in last


async def test_a_gateway_that_is_down_is_said_in_the_part_too(
    browsers: Any, admin: Browser, unused_tcp_port: int
) -> None:
    down = await browsers(f"http://127.0.0.1:{unused_tcp_port}")
    down.http.cookies.set("console", admin.http.cookies["console"], domain="console.test", path="/")
    part = await down.open("/system/live?poll=3", **{"hx-request": "true"})
    assert part.status_code == 200
    assert "The gateway does not answer." in part.text
    assert "poll=4" in part.text
    assert (await down.open("/system")).status_code == 503


def service(status: str, **dependencies: str) -> ServiceHealth:
    states = {
        name: DependencyState(status=state, essential=True, latency_ms=1, error=None)
        for name, state in dependencies.items()
    }
    return ServiceHealth(
        service="s", status=status, version=None, uptime_seconds=None, latency_ms=None, dependencies=states
    )


def test_the_worst_state_is_the_summarys() -> None:
    well, poor, gone = service("healthy"), service("degraded", redis="down", database="up"), service("unreachable")

    def summary(*services: ServiceHealth) -> tuple[str, str]:
        made = summary_of(SystemHealth.model_validate({"checked_at": "2026-01-01T00:00:00Z", "services": services}))
        return made.status, made.headline

    assert summary(well, well) == ("healthy", "All 2 services are healthy.")
    assert summary(well, poor) == ("degraded", "1 of 2 services needs attention.")
    assert summary(poor, gone, well) == ("unreachable", "2 of 3 services need attention.")
    assert note_on(well) == ""
    assert note_on(poor) == "It works with restrictions: redis is down."
    two = service("unhealthy", database="down", data_keys="down")
    assert note_on(two) == "It cannot work: data keys and database are down."
    assert "did not answer" in note_on(gone)
