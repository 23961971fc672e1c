"""The Python SDK on the running system: retries, and every kind of answer."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2
import pytest

from notifications import (
    FINAL_STATUSES,
    AsyncNotifications,
    AuthenticationFailed,
    FieldProblem,
    InvalidRequest,
    NotCancellable,
    Notifications,
    NotRetryable,
    PermissionDenied,
    RequestIdReused,
    RetryPolicy,
)
from notifications.requests.notifications import EmailTo
from testkit.faulty_http import Asked, Fault, FaultyServer, Reply
from testkit.system import ADMIN, System
from tests.leaks.watch import WATCH

QUICK = RetryPolicy(first_pause=0.05)
SCOPES = ["notifications:read", "notifications:write", "users:read", "users:write", "templates:read", "templates:write"]
VALUES = {"name": "Ada", "link": "https://example.com"}
BUSY = Reply(503, b"<html>no server is available</html>", {"Content-Type": "text/html", "Retry-After": "0"})
FAULTS = {"late": ["late"], "reset": ["reset"], "503 then 202": [BUSY], "three in a row": ["reset", BUSY, "late"]}


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    def learn(answer: httpx2.Response) -> None:
        answer.read()
        WATCH.learn_exchange(answer)

    with httpx2.Client(trust_env=False, event_hooks={"response": [learn]}) as client:
        yield client


@pytest.fixture
def admin(system: System, http: httpx2.Client) -> Notifications:
    client = Notifications(system.gateway, access_token="", http_client=http)
    client.login(**ADMIN)
    return client


@pytest.fixture
def key(admin: Notifications) -> str:
    application = admin.applications.create(name=f"sdk {uuid4()}")
    return admin.api_keys.create(name="sdk", application_id=application.id, scopes=SCOPES).key


@pytest.fixture
def client(system: System, http: httpx2.Client, key: str) -> Notifications:
    return Notifications(system.gateway, api_key=key, http_client=http)


@pytest.fixture
def faulty(system: System, http: httpx2.Client) -> Iterator[FaultyServer]:
    """Stands before the gateway and loses its answers."""

    def forward(asked: Asked) -> Reply:
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in {"host", "connection"}}
        answer = http.request(asked.method, system.gateway + asked.path, content=asked.body, headers=headers)
        kept = {
            name: answer.headers[name] for name in ("Content-Type", "Idempotent-Replayed") if name in answer.headers
        }
        return Reply(answer.status_code, answer.content, kept)

    with FaultyServer(forward).running() as server:
        yield server


def person(client: Notifications) -> str:
    return client.contacts.put(uuid4().hex, name="Ada", email=f"{uuid4().hex}@example.com").id


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_whatever_happens_to_the_answers_one_notification_is_accepted(
    faulty: FaultyServer, http: httpx2.Client, client: Notifications, key: str, kind: str, faults: list[Fault]
) -> None:
    user_id = person(client)
    faulty.fail(faults)

    async def send() -> str:
        async with (
            httpx2.AsyncClient(trust_env=False) as waiting,
            AsyncNotifications(faulty.url, api_key=key, timeout=2, retries=QUICK, http_client=waiting) as other,
        ):
            sent = await other.send(
                notification_type="email", user_id=user_id, template_code="welcome", variables=VALUES
            )
            return sent.notification_id

    if kind == "sync":
        through = Notifications(faulty.url, api_key=key, timeout=2, retries=QUICK, http_client=http)
        notification_id = through.send(
            notification_type="email", user_id=user_id, template_code="welcome", variables=VALUES
        ).notification_id
    else:
        notification_id = asyncio.run(send())
    assert len(faulty.asked) == len(faults) + 1
    assert [one.notification_id for one in client.list(user_id=user_id)] == [notification_id]
    assert client.wait_until_final(notification_id, timeout=30).status == "sent"


def test_a_batch_whose_answer_was_lost_is_accepted_once(
    faulty: FaultyServer, http: httpx2.Client, client: Notifications, key: str
) -> None:
    user_id = person(client)
    through = Notifications(faulty.url, api_key=key, timeout=5, retries=QUICK, http_client=http)
    faulty.fail(["reset"])
    result = through.send_batch(
        {"notification_type": "email", "user_id": user_id, "template_code": "welcome", "variables": VALUES}
        for _ in range(120)
    )
    assert (result.accepted, result.replayed, result.rejected) == (0, 120, 0)
    ids = {one.notification_id for one in client.list(user_id=user_id, page_size=50)}
    assert ids == {item.notification_id for item in result.results}
    assert len(ids) == 120


def test_refusals_say_what_is_wrong(client: Notifications) -> None:
    user_id = person(client)
    with pytest.raises(InvalidRequest) as raised:
        client.send(notification_type="email", user_id=user_id, template_code="welcome", variables={"name": "Ada"})
    assert raised.value.code == "missing_variables"
    assert [problem.field for problem in raised.value.problems if isinstance(problem, FieldProblem)] == [
        "variables.link"
    ]
    assert raised.value.correlation_id
    mail = {"notification_type": "email", "user_id": user_id, "template_code": "welcome", "variables": VALUES}
    client.send(**mail, request_id="one")
    with pytest.raises(RequestIdReused):
        client.send(**mail, request_id="one", priority=3)
    mixed = client.send_batch([mail, {**mail, "user_id": str(uuid4())}])
    assert [item.success for item in mixed.results] == [True, False]
    assert client.send_batch([{**mail, "template_code": "none"}]).rejected == 1


def test_cancelling_and_the_lists_of_an_application(client: Notifications) -> None:
    user_id = person(client)
    mail = {"notification_type": "email", "user_id": user_id, "template_code": "welcome", "variables": VALUES}
    sent = client.send(**mail, send_at=datetime.now(UTC) + timedelta(days=1), priority=2)
    assert client.cancel(sent.notification_id).status == "cancelled"
    assert client.cancel(sent.notification_id).status == "cancelled"
    assert [one.priority for one in client.list(user_id=user_id, status="cancelled")] == [2]
    assert client.failed().page().items == []
    assert client.replay(notification_type="push").replayed == 0


def test_dead_letters_are_listed_and_tried_again(system: System, http: httpx2.Client, admin: Notifications) -> None:
    """With a test key: an address that says so bounces."""
    application = admin.applications.create(name=f"sdk {uuid4()}")
    key = admin.api_keys.create(name="sdk", application_id=application.id, scopes=SCOPES, test=True).key
    client = Notifications(system.gateway, api_key=key, http_client=http)
    to: EmailTo = {"email": f"simulate-bounce-{uuid4().hex}@example.com"}
    sent = client.send(notification_type="email", to=to, template_code="welcome", variables=VALUES)
    assert client.wait_until_final(sent.notification_id, until=FINAL_STATUSES).status == "failed"
    assert [one.notification_id for one in client.failed(notification_type="email")] == [sent.notification_id]
    assert client.retry(sent.notification_id, template_version=1).replays == 1
    assert client.wait_until_final(sent.notification_id, until=FINAL_STATUSES).error == "simulated_bounce"
    assert client.replay(notification_ids=[sent.notification_id]).replayed == 1
    client.wait_until_final(sent.notification_id, until=FINAL_STATUSES)
    done = client.send(
        notification_type="email", to={"email": "a@example.com"}, template_code="welcome", variables=VALUES
    )
    client.wait_until_final(done.notification_id)
    with pytest.raises(NotRetryable):
        client.retry(done.notification_id)
    with pytest.raises(NotCancellable):
        client.cancel(done.notification_id)


def test_an_account_and_its_sessions(system: System, http: httpx2.Client, admin: Notifications) -> None:
    email, password = f"{uuid4().hex}@example.com", uuid4().hex
    user = admin.users.create(name="Ada", email=email, password=password, push_token=f"device-{uuid4().hex}")
    own = Notifications(system.gateway, access_token="", http_client=http)
    own.login(email, password)
    assert own.me().id == user.id
    assert [one.provider for one in own.users.replace_devices(user.id, f"device-{uuid4().hex}")] == ["fcm"]
    assert own.users.replace(user.id, name="Ada", email=email, language="de").language == "de"
    with pytest.raises(PermissionDenied):
        own.send(notification_type="email", user_id=user.id, template_code="welcome", variables=VALUES)
    own.users.end_session(user.id, own.users.sessions(user.id)[0].id)
    with pytest.raises(AuthenticationFailed):
        own.me()
    assert admin.users.disable(user.id).disabled
    assert not admin.users.enable(user.id).disabled
    admin.users.end_sessions(user.id)
    assert admin.users.delete(user.id).user_id == user.id


def test_people_devices_and_everything_about_them(client: Notifications) -> None:
    contacts = [
        {"external_id": f"{n}-{uuid4()}", "name": "Ada", "email": f"{uuid4().hex}@example.com"} for n in range(3)
    ]
    written = client.contacts.put_all(contacts)
    assert [one.created for one in written] == [True] * 3
    contact = client.contacts.get(contacts[0]["external_id"])
    assert contact.contact
    assert client.users.get(contact.id) == contact
    assert client.users.update(contact.id, language="pt-BR").language == "pt-BR"
    assert client.users.list(email=contact.email).page().items[0].id == contact.id
    device = client.users.add_device(contact.id, {"provider": "apns", "token": "ab" * 32, "environment": "sandbox"})
    assert device.environment == "sandbox"
    assert [one.id for one in client.users.devices(contact.id)] == [device.id]
    client.users.remove_device(contact.id, device.id)
    assert [one.removed_because for one in client.users.removed_devices(contact.id)] == ["by_application"]
    assert client.users.update_preferences(contact.id, push=False).push is False
    assert client.users.set_preferences(contact.id, email=True, push=True) == client.users.preferences(contact.id)
    client.send(notification_type="email", user_id=contact.id, template_code="welcome", variables=VALUES)
    export = client.users.export(contact.id)
    assert (export.user.id, len(export.notifications)) == (contact.id, 1)
    receipt = client.contacts.delete(contacts[0]["external_id"])
    assert client.users.erasure(receipt.id).user_id == contact.id


def test_templates_and_snippets(client: Notifications, admin: Notifications) -> None:
    code, snippet = f"sdk-{uuid4().hex[:8]}", f"sdk-{uuid4().hex[:8]}"
    admin.snippets.create(snippet, "<p>Footer</p>")
    assert client.templates.create(code=code, name="N", subject="One", content="<p>{{ a }}</p>").version == 1
    assert client.templates.update(code, subject="Two").active_version == 2
    assert client.templates.activate(code, 1).subject == "One"
    assert [one.version for one in client.templates.versions(code)] == [2, 1]
    preview = client.templates.render(code, variables={"a": "b"}, version=2)
    assert preview.email is not None
    assert preview.email.subject == "Two"
    with_snippet = f"<p>{{{{ a }}}}</p>{{% render '{snippet}' %}}"
    assert client.templates.replace(code, subject="Three", content=with_snippet).snippets == {snippet: 1}
    admin.snippets.replace(snippet, "<p>Another</p>")
    assert [(one.code, one.outdated) for one in admin.snippets.templates(snippet)] == [(code, True)]
    assert client.templates.refresh(code).snippets == {snippet: 2}
    assert len([*admin.snippets.versions(snippet)]) == 2
    assert admin.snippets.get(snippet, version=1).content == "<p>Footer</p>"
    assert [one.latest_version for one in admin.snippets.list(search=snippet)] == [2]
    assert client.templates.get(code, version=1).subject == "One"
    unsaved = client.templates.render_unsaved(subject="S", content="<p>x</p>").email
    assert unsaved is not None
    assert unsaved.subject == "S"
    assert code in [one.code for one in client.templates.list(search=code)]
    assert client.templates.archive(code).code == code


def test_running_the_system(admin: Notifications, client: Notifications) -> None:
    assert admin.health().status == "healthy"
    assert admin.me().role == "admin"
    assert admin.reconcile().unaccounted == 0
    assert admin.statistics(period="day").balance.difference == 0
    address = f"{uuid4().hex}@example.com"
    assert admin.suppressions.add([address, address]).added == 1
    assert admin.suppressions.get(address).reason == "manual"
    assert admin.suppressions.import_file(f"email\n{address}\n".encode()).rows == 1
    assert admin.suppressions.list(reason="manual").page().meta.total >= 1
    admin.suppressions.remove(address)
    application = admin.applications.create(name="another", channels=["push"], sender={"from_name": "N"})
    assert admin.applications.update(application.id, rate_limit_per_minute=7).rate_limit_per_minute == 7
    key = admin.api_keys.create(name="k", application_id=application.id, scopes=["users:read"], test=True)
    assert admin.api_keys.rotate(key.id).key != key.key
    admin.api_keys.revoke(key.id)
    assert [one.application_id for one in admin.api_keys.list(application_id=application.id)][:1] == [application.id]
    assert admin.applications.get(application.id).channels == ["push"]
    assert application.id in [one.id for one in admin.applications.list()]
    admin.applications.delete(application.id)
    events = [event.action for event in admin.audit(target=f"application:{application.id}", page_size=1)]
    assert "application.created" in events or admin.audit(action="application.created").page().items
    assert client.vapid_key().public_key
    admin.refresh()
    sessions = admin.users.sessions(admin.me().id)
    assert [one.current for one in sessions].count(True) == 1
    admin.logout()
