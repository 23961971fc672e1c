"""The console's pages, one after the other, with a hundred thousand notifications and as many users in the databases."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from uuid import UUID

import httpx2

from bench import checks, rows
from bench.console import logged_in
from bench.database import Database
from bench.lab import Lab
from bench.percentiles import summary
from bench.results import Result, at_most
from bench.run import Run
from testkit.console_pages import Things, made, pages, parts, searches
from testkit.eventually import wait_until
from testkit.system import MODULES

ROWS = 100_000
OPENED = 100  # times each
SHOWN = 500  # users and notifications among which the pages change
SLOWEST_MS = 150.0
TEMPLATES = [f"template_{number}" for number in range(40)]  # as `rows` names them: each has a fortieth of the rows
DRAFT, HELD = TEMPLATES[1], TEMPLATES[2]
PARTS = {
    "subject": "Hello {{ name }}", "content": "<p>Hello {{ name }}, <a href='{{ link }}'>open</a></p>",
    "title": "Hi {{ name }}", "body": "Look at this",
}  # fmt: skip

USERS = """SELECT u.id, u.email, d.id::text AS device FROM users u JOIN user_push_tokens d ON d.user_id = u.id
ORDER BY d.id LIMIT $1"""
# `rows` invents users: these are real ones, with as many notifications each.
OWNED = """UPDATE notifications
SET user_id = ($1::uuid[])[1 + (hashtext(id::text) & 2147483647) % cardinality($1::uuid[])]"""
WAITING = """UPDATE notifications SET status = 'pending', held_by = $1, held_at = now(), due_at = NULL, code = NULL,
queued_at = NULL, claimed_at = NULL, sent_at = NULL, ended_at = NULL WHERE template_code = $2"""
PICKED = """SELECT id::text, user_id, request_id, notification_type AS channel FROM notifications WHERE held_by IS NULL
ORDER BY hashtext(id::text) LIMIT $1"""
SCANS = "SELECT relname AS name, seq_scan AS times FROM pg_stat_user_tables WHERE n_live_tup > 10000"
UNCOUNTED = "SELECT EXISTS (SELECT 1 FROM statistics_changes) OR EXISTS (SELECT 1 FROM status_changes)"


def console_pages(run: Run) -> Result:
    """`value` is the slowest page's p95 in milliseconds, from the request to the last byte of the HTML."""
    lab, dice = run.lab, random.Random(7)
    lab.fresh(without=MODULES)
    rows.fill(lab.gateway, ROWS)
    lab.run_services()
    with closing(Database(lab.system.databases["user-service"])) as users:
        shown = _filled(lab, users)
        addresses = [{**pages(one), **searches(one), **parts(one)} for one in shown]
        times = run.options.number(OPENED, 30)
        before = _scans(lab.gateway, users)
        with logged_in(lab.children, lab.system.ports["api-gateway"]) as browser:
            found = {
                page: summary(_opened(browser, [one[page] for one in dice.choices(addresses, k=times)]))
                for page in addresses[0]
            }
        scanned = _scans(lab.gateway, users) - before
    slowest = max(one["p95"] for one in found.values())
    return Result(
        slowest,
        "ms, p95",
        percentiles=found,
        balance=checks.unaccounted(lab),
        target=at_most(slowest, SLOWEST_MS, "each page's p95 in ms")
        & at_most(scanned.total(), 0, "large tables read from end to end"),
        more={"read_from_end_to_end": dict(scanned)},
    )


def _scans(*databases: Database) -> Counter[str]:
    """How often each large table was read from end to end."""
    for database in databases:
        database.rows("SELECT pg_stat_force_next_flush()")  # at its end: of what we read ourselves
    return Counter({row["name"]: row["times"] for database in databases for row in database.rows(SCANS)})


def _filled(lab: Lab, database: Database) -> Sequence[Things]:
    """Gives the notifications to users, lets those of a template wait, makes what the other pages show. Returns what the
    pages are about: something else each time.
    """
    call = lab.system.call
    for code in TEMPLATES:
        call("POST", "/templates", {"code": code, "name": code.replace("_", " ").capitalize(), **PARTS})
    call("PATCH", f"/templates/{DRAFT}", {"subject": "Dear {{ first_name }}", "activate": False})
    users = {row["id"]: row for row in database.rows(USERS, SHOWN)}
    things = made(call, held_template=HELD)
    lab.gateway.rows(OWNED, list(users))
    lab.gateway.rows(WAITING, UUID(things["hold"]), HELD)
    wait_until(lambda: not lab.gateway.value(UNCOUNTED), 120, "the figures")
    lab.wait_quiet()
    picked = lab.gateway.rows(PICKED, SHOWN)
    pushes = [row["id"] for row in picked if row["channel"] == "push"]
    return [
        Things(
            notification=row["id"],
            push=pushes[number % len(pushes)],
            user=str(row["user_id"]),
            device=users[row["user_id"]]["device"],
            template=TEMPLATES[number % len(TEMPLATES)],
            draft=DRAFT,
            email=users[row["user_id"]]["email"],
            request_id=row["request_id"],
            **things,
        )
        for number, row in enumerate(picked)
    ]


def _opened(browser: httpx2.Client, paths: Sequence[str]) -> list[float]:
    browser.get(paths[0]).raise_for_status()
    seconds = []
    for path in paths:
        began = time.perf_counter()
        browser.get(path).raise_for_status()
        seconds.append(time.perf_counter() - began)
    return seconds
