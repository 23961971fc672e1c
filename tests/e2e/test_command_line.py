"""`notify` against the running system: what it prints, where, and how it ends."""

import json
import os
import re
import signal
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from testkit.eventually import wait_until
from testkit.servers.process import free_port
from testkit.system import ADMIN, ROOT, System
from tests.e2e.notify_command import COMMAND, NotifyCommand, notify_command

VARS = ("--var", "name=Ada", "--var", "link=https://example.com/x")


@pytest.fixture
def notify(system: System, tmp_path: Path) -> NotifyCommand:
    return notify_command(system, tmp_path)


@pytest.fixture
def contact(notify: NotifyCommand) -> str:
    """The external id of a contact of the command's application."""
    name = f"customer-{uuid4().hex}"
    people = notify.folder / "contact.csv"
    people.write_text(f"external_id,email,name\n{name},{name}@example.com,Ada\n")
    notify("import", "contact.csv", "--yes").ok()
    return name


def test_login_makes_a_key_that_is_kept_for_its_owner_and_never_printed(system: System, notify: NotifyCommand) -> None:
    env = {"NOTIFICATIONS_URL": "", "NOTIFICATIONS_API_KEY": ""}
    login = ("login", "--url", system.gateway, "--email", ADMIN["email"], "--profile", "local")
    made = notify(*login, stdin=f"{ADMIN['password']}\n", env=env).ok()
    stored = notify.folder / "config" / "notify" / "profiles.json"
    key = json.loads(stored.read_text())["profiles"]["local"]["api_key"]
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    sent = notify("send", "welcome", "--to", "ada@example.com", *VARS, "--json", env=env).ok()
    assert json.loads(sent.out)["notification_id"]
    by_key = notify("login", "--url", system.gateway, "--profile", "other", stdin=f"{key}\n", env=env).ok()
    listed = notify("profiles", env=env).ok()
    assert listed.out == f"local\t{system.gateway}\t\nother\t{system.gateway}\tcurrent\n"
    assert not any(key in text for done in (made, sent, by_key, listed) for text in (done.out, done.err))
    notify("logout", env=env).ok()
    assert notify("profiles", "--json", env=env).ok().out.count("local") == 1


def test_login_refuses_what_the_system_refuses(system: System, notify: NotifyCommand) -> None:
    wrong = notify("login", "--url", system.gateway, stdin="nk_live_wrong\n")
    assert (wrong.code, "does not accept this API key" in wrong.err) == (3, True)
    assert notify("login", "--url", system.gateway, "--email", ADMIN["email"], stdin="wrong\n").code == 3
    assert not list((notify.folder / "config").iterdir())


def test_send_waits_for_the_end_and_says_each_step(system: System, notify: NotifyCommand, contact: str) -> None:
    (notify.folder / "vars.json").write_text('{"name": "Ada", "link": "https://example.com/x"}')
    request_id = f"req-{uuid4()}"
    arguments = ("send", "welcome", "--user", contact, "--vars", "vars.json", "--request-id", request_id)
    done = notify(*arguments, "--wait").ok()
    assert [line.split()[1] for line in done.out.splitlines()] == ["accepted", "queued", "sent"]
    piped = ("send", "welcome", "--user", contact, "--vars", "-", "--request-id", request_id, "--json")
    again = json.loads(notify(*piped, stdin=(notify.folder / "vars.json").read_text()).ok().out)
    listed = notify("list", "--request-id", request_id).ok().out.splitlines()
    assert [line.split("\t")[4] for line in listed] == [again["notification_id"]]
    pushed = notify("send", "welcome", "--device", f"device-{uuid4().hex}", *VARS, "--wait", "--json").ok()
    assert json.loads(pushed.out)["status"] == "sent"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("send", "unknown_template", "--to", "ada@example.com"), 4, "template_not_found"),
        (("send", "welcome", "--to", "ada@example.com"), 5, "variables.name"),
        (("send", "welcome", "--to", "nobody"), 5, "to"),
        (("send", "welcome"), 2, "one of --to, --user and --device"),
        (("send", "welcome", "--user", "nobody-of-this-name"), 4, "external id"),
        (("watch", str(uuid4())), 4, "not_found"),
        (("watch", ".."), 2, "empty"),
        (("list", "--status", "odd"), 5, "status"),
        (("list", "--limit", "many"), 2, "--limit"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(notify: NotifyCommand, arguments, code, said) -> None:
    done = notify(*arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    if code > 2 and "external id" not in said:
        assert len(done.err.splitlines()) == 1
        assert re.search(r"correlation id [\w-]+", done.err)


def test_an_error_with_json_is_json(notify: NotifyCommand) -> None:
    error = json.loads(notify("watch", str(uuid4()), "--json").err)
    assert (error["error"], error["status"]) == ("notification_not_found", 404)
    assert error["correlation_id"]


def test_a_wrong_key_and_an_address_where_nobody_answers_are_told_apart(notify: NotifyCommand) -> None:
    assert notify("list", env={"NOTIFICATIONS_API_KEY": "nk_live_wrong"}).code == 3
    nobody = notify("list", env={"NOTIFICATIONS_URL": f"http://127.0.0.1:{free_port()}"})
    assert (nobody.code, len(nobody.err.splitlines())) == (6, 1)
    assert notify("list", env={"NOTIFICATIONS_URL": "nonsense"}).code == 2


def test_what_a_key_may_not_do_is_told_apart_from_a_wrong_key(system: System, tmp_path: Path) -> None:
    notify = notify_command(system, tmp_path, scopes=["notifications:write"])
    done = notify("list")
    assert (done.code, "403 forbidden" in done.err) == (3, True)
    assert "without the scope notifications:read" in notify("doctor").ok().out
    notify("send", "welcome", "--to", "ada@example.com", *VARS).ok()


def test_a_failure_is_watched_to_its_end_listed_and_replayed(system: System, notify: NotifyCommand) -> None:
    address = f"bounce+{uuid4().hex}@example.com"
    sent = notify("send", "welcome", "--to", address, *VARS, "--json").ok()
    key = json.loads(sent.out)["notification_id"]
    watched = notify("watch", key)
    assert (watched.code, watched.out.splitlines()[-1].split()[1]) == (1, "failed")
    for listed in (("failed", "--channel", "email"), ("list", "--to", address.upper())):
        [line] = notify(*listed).ok().out.splitlines()
        assert (line.split("\t")[4], line.split("\t")[7]) == (key, "b***@example.com")
    assert notify("replay", "--all").code == 2  # nobody can be asked
    assert notify("replay", key).ok().out == "1 will be tried again\n"
    wait_until(lambda: system.follow(key)["replays"] == 1, 30, "the replay")
    assert json.loads(notify("replay", "--error", "no_such_code", "--yes", "--json").ok().out) == {"replayed": 0}


def test_a_watch_that_takes_too_long_ends_with_its_own_code(notify: NotifyCommand) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    later = notify("send", "welcome", "--to", "ada@example.com", *VARS, "--send-at", tomorrow, "--json").ok()
    done = notify("watch", json.loads(later.out)["notification_id"], "--timeout", "0.1")
    assert (done.code, "is still pending" in done.err) == (7, True)


def test_a_reader_that_goes_away_is_no_error(notify: NotifyCommand) -> None:
    notify("send", "welcome", "--to", "ada@example.com", *VARS).ok()
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [*COMMAND, "list"], env=notify.env, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (141, "")


def test_tail_shows_what_comes_and_how_it_ends_until_ctrl_c(notify: NotifyCommand, contact: str) -> None:
    notify("send", "welcome", "--to", "ada@example.com", *VARS, "--wait").ok()
    process = notify.start("tail", "--json", "--every", "0.2", "-n", "1")
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert first["status"] == "sent"
    done = notify("send", "welcome", "--user", contact, *VARS, "--json", "--wait").ok()
    key = json.loads(done.out)["notification_id"]
    seen = []
    while not seen or seen[-1]["status"] != "sent":
        seen.append(json.loads(process.stdout.readline()))
    assert {each["notification_id"] for each in seen} == {key}
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")


def test_explain_says_where_it_would_go_and_why_not(system: System, notify: NotifyCommand, contact: str) -> None:
    explained = json.loads(notify("explain", contact, "welcome", *VARS, "--json").ok().out)
    email, push = explained["channels"]
    assert (email["sends"], email["to"]) == (True, [f"{contact}@example.com"])
    assert "suppression list was not checked" in email["notes"][0]
    assert (push["sends"], push["because"]) == (False, ["the user has no device (no_push_token)"])
    system.call("PATCH", f"/users/{explained['user_id']}/preferences", {"email": False})
    refused = notify("explain", contact, "welcome", "--var", "name=Ada")
    assert refused.code == 1
    assert "email: would not be sent: missing_variables: link; the user does not want email (opted_out)" in refused.out
    system.call("PATCH", f"/users/{explained['user_id']}/preferences", {"email": True})
    system.call("POST", "/suppressions", {"emails": [f"{contact}@example.com"]})
    folder = notify.folder / "admin"
    folder.mkdir()
    admin = notify_command(system, folder, scopes=["admin"])
    assert "the address is suppressed: manual" in admin("explain", explained["user_id"], "welcome").out
    apple = {"provider": "apns", "token": "ab" * 32, "environment": "sandbox"}
    device = system.call("POST", f"/users/{explained['user_id']}/push-tokens", {"push_token": apple}, status=201)
    pushed = json.loads(notify("explain", contact, "welcome", *VARS, "--channel", "push", "--json").ok().out)
    assert pushed["channels"][0]["to"] == [f"apns_sandbox {device['fingerprint']}"]


def test_what_is_held_is_listed_explained_released_and_cancelled(notify: NotifyCommand, contact: str) -> None:
    made = json.loads(notify("hold", "welcome", "--reason", "wrong price", "--channel", "email", "--json").ok().out)
    explained = notify("explain", contact, "welcome", "--channel", "email")
    assert (explained.code, "would not be sent: it is held: wrong price" in explained.out) == (1, True)
    sent = json.loads(notify("send", "welcome", "--to", "ada@example.com", *VARS, "--json").ok().out)["notification_id"]
    listed = ("list", "--held-by", made["hold_id"])
    wait_until(lambda: sent in notify(*listed).ok().out, 30, "the hold")
    [row] = [line.split("\t") for line in notify("holds").ok().out.splitlines()]
    assert [*row[1:3], *row[4:6]] == ["standing", "1", "wrong price", made["hold_id"]]
    assert row[3].startswith("template welcome, channel email, application ")
    assert notify("release", made["hold_id"], "--version", "99").code == 4
    assert notify("release", made["hold_id"], "--wait").ok().out.startswith("released ")
    assert notify("watch", sent).ok()
    assert notify("holds").ok().out == ""
    odd = notify("hold", "welcme", "--reason", "x", "--json").ok()
    assert "There is no template welcme now" in odd.err
    hold_id = json.loads(odd.out)["hold_id"]
    assert notify("cancel-hold", hold_id).code == 2  # nobody can be asked
    assert notify("cancel-hold", hold_id, "--yes", "--wait").ok().out.startswith("cancelled ")
    assert notify("release", hold_id).code == 5
    assert hold_id in notify("holds", "--all").ok().out
    assert notify("hold", "--reason", "x").code == 5
    assert notify("hold", "--provider", "smtp", "--reason", "x").code in {3, 5}


def test_doctor_checks_each_part_and_the_way_to_it(notify: NotifyCommand) -> None:
    checks = {check["what"]: check for check in json.loads(notify("doctor", "--json").ok().out)}
    assert {check["state"] for check in checks.values()} == {"ok"}, checks
    assert {"versions", "profiles", "dns", "connection", "clock", "system", "database", "api key"} <= checks.keys()
    wrong = notify("doctor", env={"NOTIFICATIONS_API_KEY": "nk_live_wrong"})
    assert (wrong.code, "api key\tproblem" in wrong.out) == (1, True)
    nowhere = notify("doctor", env={"NOTIFICATIONS_URL": "http://name.invalid"})
    assert (nowhere.code, nowhere.out.splitlines()[-1].split("\t")[:2]) == (1, ["dns", "problem"])
    nobody = notify("doctor", env={"NOTIFICATIONS_URL": f"http://127.0.0.1:{free_port()}"})
    assert (nobody.code, "connection\tproblem" in nobody.out) == (1, True)


def test_reconcile_proves_it_to_an_administrator(system: System, tmp_path: Path) -> None:
    notify = notify_command(system, tmp_path, scopes=["admin"])
    assert {line.split("\t")[2] for line in notify("reconcile").ok().out.splitlines()} == {"0"}
    assert json.loads(notify("reconcile", "--recount", "--json").ok().out)["unaccounted"] == 0


def test_stats_counts_what_was_sent(system: System, notify: NotifyCommand) -> None:
    notify("send", "welcome", "--to", "ada@example.com", *VARS).ok()
    lines = dict(line.split("\t")[:2] for line in notify("stats", "day").ok().out.splitlines())
    assert int(lines["accepted"]) > 0
    assert lines["missing"] == "0"
    assert json.loads(notify("stats", "--channel", "push", "--json").ok().out)["step_seconds"] == 60


def test_completion_is_there_for_shells(notify: NotifyCommand) -> None:
    asked = {"_NOTIFY_COMPLETE": "complete_bash", "COMP_WORDS": "notify se", "COMP_CWORD": "1"}
    assert set(notify(env=asked).out.split()) == {"send", "send-csv"}
    assert "complete" in notify("--show-completion", "bash").out


def test_the_examples_of_the_guide_run_as_they_are_printed(notify: NotifyCommand) -> None:
    guide = (ROOT / "docs" / "how-to" / "command-line.md").read_text()
    for name, body in zip(("people.csv", "users.csv"), re.findall(r"```csv\n(.*?)```", guide, re.DOTALL), strict=True):
        (notify.folder / name).write_text(body)
    command = notify.folder / "bin" / "notify"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    command.chmod(0o755)
    env = {**notify.env, "PATH": f"{command.parent}:{notify.env['PATH']}"}
    blocks = re.findall(r"```bash\n(.*?)```", guide, re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        done = subprocess.run(
            ["bash", "-ec", block], cwd=notify.folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
