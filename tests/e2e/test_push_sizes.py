"""A push that is too large for its devices is refused when it is accepted: with the templates of the real service."""

from uuid import uuid4

import pytest

from testkit.system import System


@pytest.fixture
def code(system: System) -> str:
    code = f"list_{uuid4().hex[:8]}"
    body = "{% for item in items %}{{ item }}, {% endfor %}"
    system.call("POST", "/templates/", {"code": code, "name": "List", "title": "For {{ name }}", "body": body})
    return code


def test_what_a_loop_makes_too_large_is_a_422_and_the_rest_is_shown(system: System, user: str, code: str) -> None:
    variables = {"name": "Ada", "items": ["milk"] * 650}
    notification = {"notification_type": "push", "user_id": user, "template_code": code, "variables": variables}
    sent = system.call("POST", "/notifications", notification, status=202)["notification_id"]
    assert system.follow(sent)["status"] == "sent"
    variables["items"] = ["milk"] * 700
    for path, body in (("/notifications", notification), ("/notifications/batch", {"notifications": [notification]})):
        refused = system.call("POST", path, body, status=422)
        [error] = refused["results"][0]["data"]["errors"] if "results" in refused else refused["errors"]
        assert "takes 4096" in error["message"]
    given = {**notification, "to": {"push_tokens": [f"device-{uuid4().hex}"]}}
    del given["user_id"]
    assert system.call("POST", "/notifications", given, status=422)["errors"][0]["field"] == "variables"
