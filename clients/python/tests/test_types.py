"""What a type checker sees of both clients, and that the guide's examples pass it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.test_documents import FENCE, ROOT

SEEN = """
from typing import assert_type

from notifications import (
    Accepted, AsyncNotifications, BatchResult, Device, Meta, Notification, NotificationDetail, NotificationRequest,
    Notifications, Page, Template, TemplateSummary,
)

MAIL: NotificationRequest = {"notification_type": "email", "template_code": "w", "to": {"email": "a@example.com"}}


def blocking(client: Notifications) -> None:
    assert_type(client.get("n"), NotificationDetail)
    assert_type(client.send(notification_type="email", template_code="w"), Accepted)
    assert_type(client.send(**MAIL), Accepted)
    assert_type(client.send_batch([MAIL]), BatchResult)
    assert_type(client.wait_until_final("n", timeout=1), NotificationDetail)
    assert_type(client.templates.get("w", version=2), Template)
    assert_type(client.users.devices("u"), list[Device])
    assert_type([*client.list(status="failed")], list[Notification])
    assert_type(client.templates.list().page(), Page[TemplateSummary])
    assert_type(client.templates.list().page().meta, Meta)
    client.logout()
    client.get(5)  # type: ignore[arg-type]
    client.get()  # type: ignore[call-arg]
    client.send(template_code="w")  # type: ignore[call-arg]
    client.send(notification_type="sms", template_code="w")  # type: ignore[arg-type]
    client.send(notification_type="email", template_code="w", priorty=3)  # type: ignore[call-arg]
    client.send_batch([{"notification_type": "email"}])  # type: ignore[typeddict-item]
    client.templates.get("w", nope=1)  # type: ignore[call-arg]
    client.templates.update("w", content=5)  # type: ignore[arg-type]
    client.no_such_method()  # type: ignore[attr-defined]


async def awaited(client: AsyncNotifications) -> None:
    assert_type(await client.get("n"), NotificationDetail)
    assert_type(await client.send(notification_type="email", template_code="w"), Accepted)
    assert_type(await client.wait_until_final("n", timeout=1), NotificationDetail)
    assert_type(await client.users.devices("u"), list[Device])
    assert_type([one async for one in client.list(status="failed")], list[Notification])
    assert_type(await client.templates.list().page(), Page[TemplateSummary])
    await client.get(5)  # type: ignore[arg-type]
    for one in client.list():  # type: ignore[attr-defined]
        pass
"""


def test_both_clients_are_typed_and_the_guide_s_examples_are_well_typed(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "how-to" / "python-sdk.md").read_text()
    (tmp_path / "seen.py").write_text(SEEN)
    (tmp_path / "guide.py").write_text("\n".join(body for kind, body in FENCE.findall(guide) if kind == "python"))
    cache = str(ROOT / ".mypy_cache" / "sdk")
    options = ["--strict", "--python-version", "3.11", "--config-file", "", "--cache-dir", cache]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "seen.py", "guide.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT / "clients" / "python")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
