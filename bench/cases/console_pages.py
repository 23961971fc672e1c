"""The console's pages with a hundred thousand notifications in the gateway's tables, one after the other."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import httpx2

from bench import checks, rows
from bench.lab import WORKERS, Lab
from bench.percentiles import summary
from bench.ports import quiet_port
from bench.results import Result, at_most
from bench.run import Run
from testkit.eventually import wait_until
from testkit.servers.process import listens
from testkit.system import ADMIN, MODULES

ROWS = 100_000
OPENED = 100  # times each
SLOWEST_MS = 150.0


def console_pages(run: Run) -> Result:
    """`value` is the slowest page's p95 in milliseconds, from the request to the last byte of the HTML."""
    lab = run.lab
    lab.fresh(without=MODULES)
    rows.fill(lab.gateway, ROWS)
    lab.run_services(without=WORKERS)
    with _logged_in(lab) as browser:
        timed = {page: _opened(browser, path, run.options.number(OPENED, 30)) for page, path in _pages(lab).items()}
    found = {page: summary(seconds) for page, seconds in timed.items()}
    slowest = max(one["p95"] for one in found.values())
    return Result(
        slowest,
        "ms, p95",
        percentiles=found,
        balance=checks.unaccounted(lab),
        target=at_most(slowest, SLOWEST_MS, "each page's p95 in ms"),
    )


@contextmanager
def _logged_in(lab: Lab) -> Iterator[httpx2.Client]:
    port = quiet_port()
    settings = {
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "API_GATEWAY_URL": f"http://127.0.0.1:{lab.system.ports['api-gateway']}",
        "LOG_LEVEL": "WARNING",
    }
    lab.children.start("console", "console", env=settings)
    wait_until(lambda: listens(port), 30, "the console")
    browser = httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30, follow_redirects=True)
    token = browser.get("/login").text.split('name="csrf" value="')[1].split('"', maxsplit=1)[0]
    page = browser.post("/login", data={"csrf": token, **ADMIN})
    if page.url.path == "/login":
        raise RuntimeError(f"nobody is logged in to the console: {page.status_code}")
    yield browser
    browser.close()


def _pages(lab: Lab) -> Mapping[str, Callable[[], str]]:
    dice = random.Random(7)
    ids = [row["id"] for row in lab.gateway.rows("SELECT id::text FROM notifications TABLESAMPLE SYSTEM (1) LIMIT 200")]
    return {
        "notifications": lambda: "/notifications",
        "notifications, by status": lambda: f"/notifications?status={dice.choice(('sent', 'failed', 'expired'))}",
        "notifications, older": lambda: f"/notifications?cursor={dice.choice(ids)}",
        "a notification": lambda: f"/notifications/{dice.choice(ids)}",
        "failed": lambda: "/failed",
        "users": lambda: "/users",
        "a user": lambda: f"/users/{dice.choice(lab.fixtures.users[:10_000])}",
        "templates": lambda: "/templates",
        "a template": lambda: "/templates/welcome",
    }


def _opened(browser: httpx2.Client, path: Callable[[], str], times: int) -> list[float]:
    browser.get(path()).raise_for_status()
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        browser.get(path()).raise_for_status()
        seconds.append(time.perf_counter() - began)
    return seconds
