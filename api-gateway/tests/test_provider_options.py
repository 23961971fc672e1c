"""What a caller asks the provider of an e-mail to do: bounded, the worker's, and part of what makes two requests equal."""

import pytest

from contracts.emails import ProviderOptions
from contracts.messages import NotificationMessage

GIVEN = {"tag": "receipt", "stream": "broadcast", "metadata": {"campaign": "spring"}}


@pytest.fixture(autouse=True)
def _template(peers) -> None:
    peers.add_template()


async def test_they_reach_the_worker_as_they_were_given(gateway) -> None:
    user = str(gateway.peers.add_user().id)
    assert (await gateway.send(user_id=user, email=GIVEN)).status_code == 202
    [body] = await gateway.published()
    found = NotificationMessage.model_validate_json(body).email
    assert found is not None
    assert found.provider == ProviderOptions.model_validate(GIVEN)


@pytest.mark.parametrize("nothing", [{"tag": None, "stream": None, "metadata": None}, {"metadata": {}}])
async def test_nothing_asked_for_counts_as_absent(gateway, nothing) -> None:
    user = str(gateway.peers.add_user().id)
    assert (await gateway.send(user_id=user, email=nothing)).status_code == 202
    [body] = await gateway.published()
    assert NotificationMessage.model_validate_json(body).email is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"tag": "two words"}, "email.tag"),
        ({"tag": "a\r\nBcc: eve@example.org"}, "email.tag"),
        ({"tag": "line\n"}, "email.tag"),
        ({"tag": ""}, "email.tag"),
        ({"tag": "a" * 81}, "email.tag"),
        ({"stream": "s" * 65}, "email.stream"),
        ({"stream": ["a"]}, "email.stream"),
        ({"metadata": {"Campaign": "x"}}, "email.metadata.Campaign.[key]"),
        ({"metadata": {"n" * 21: "x"}}, f"email.metadata.{'n' * 21}.[key]"),
        ({"metadata": {"campaign": "two words"}}, "email.metadata.campaign"),
        ({"metadata": {"campaign": 1}}, "email.metadata.campaign"),
        ({"metadata": {f"n{number}": "x" for number in range(10)}}, "email.metadata"),
        ({"metadata": {"notification-id": "x"}}, "email.metadata"),
        ({"metadata": {"tag": "x"}}, "email.metadata"),
        ({"metadata": {"event": "bounce"}}, "email.metadata"),
        ({"metadata": {"sg_message_id": "x"}}, "email.metadata"),
        ({"streem": "x"}, "email.streem"),
    ],
)
async def test_what_a_provider_would_not_take_is_refused_by_name(gateway, given, field) -> None:
    user = str(gateway.peers.add_user().id)
    answered = await gateway.send(user_id=user, email=given)
    assert answered.status_code == 422, answered.text
    assert [one["field"] for one in answered.json()["data"]["errors"]] == [field]


async def test_a_repeat_with_other_options_is_another_request(gateway) -> None:
    user = str(gateway.peers.add_user().id)
    first = await gateway.send(user_id=user, request_id="r", email=GIVEN)
    again = await gateway.send(user_id=user, request_id="r", email=GIVEN)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (first.status_code, "true")
    for name, other in (("tag", "other"), ("stream", None), ("metadata", {"campaign": "autumn"})):
        refused = await gateway.send(user_id=user, request_id="r", email={**GIVEN, name: other})
        assert (refused.status_code, refused.json()["error"]) == (422, "idempotency_key_reused")
