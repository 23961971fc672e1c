"""A draft of a template before what was really sent, through the gateway, the SDK and the command line."""

from pathlib import Path
from uuid import uuid4

import pytest

from notifications import Notifications
from testkit.system import System
from tests.e2e.notify_command import notify_command


@pytest.fixture
def code(system: System, user: str) -> str:
    """A template of which one mail was sent, and a draft of it that needs more than that mail had."""
    code = f"parcel_{uuid4().hex[:8]}"
    body = {
        "code": code,
        "name": "Parcel",
        "subject": "Hi {{ name }}",
        "content": "<p><a href='{{ link }}'>see</a></p>",
    }
    system.call("POST", "/templates/", body)
    system.follow(system.send("email", user, template_code=code))
    draft = {"subject": "Parcel {{ number }}", "activate": False}
    assert system.call("PATCH", f"/templates/{code}", draft)["version"] == 2
    return code


def test_a_draft_is_tried_mended_and_tried_again(system: System, code: str) -> None:
    token = system.http.headers["Authorization"].removeprefix("Bearer ")
    with Notifications(system.gateway, access_token=token) as client:
        tried = client.templates.trial(code, 2, show_variables=True)
        assert (tried.found, tried.failing, tried.complete, tried.active_version) == (1, 1, True, 1)
        assert tried.notifications[0].after.missing_variables == ["number"]
        assert tried.notifications[0].variables == {"name": "Ada", "link": "https://example.com/x"}
        mended = client.templates.update(
            code, subject="Your parcel, {{ name }}", content="<p><a href='{{ link }}/new'>see</a></p>", activate=False
        )
        tried = client.templates.trial(code, mended.version, last=5)
    assert tried.failing == 0
    (one,) = tried.notifications
    assert (one.before.subject, one.after.subject) == ("Hi Ada", "Your parcel, Ada")
    assert (one.removed, one.added) == (["https://example.com/x"], ["https://example.com/x/new"])


def test_the_command_line_tries_the_newest_version(system: System, code: str, tmp_path: Path) -> None:
    notify = notify_command(system, tmp_path, scopes=["admin"])
    refused = notify("templates", "trial", code)
    assert refused.code == 1
    assert "Variables are missing: number" in refused.out
    assert "1 of 1 tried, 1 would fail: version 2 against the active version 1" in refused.err
    assert notify("templates", "trial", code, "--version", "1", "--channel", "email").ok().out.count("\n") <= 2
