"""A push that no device of its recipient could take is refused when it is accepted, as a worker would refuse it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.schemas.overrides import NotificationOverrides
from api_gateway.services import push_sizes
from contracts.device_tokens import SUBSCRIPTION
from contracts.overrides import Overrides
from contracts.push_payloads import MAX_FCM_BYTES, MAX_TOPIC_BYTES, measured
from contracts.push_texts import RenderedText
from contracts.recipients import PROVIDERS, PushToken, WebPushKeys
from templating import TemplateError, TemplateSource, compile_template, push_size

BROWSER = PushToken(
    provider="web_push", token=SUBSCRIPTION["endpoint"], keys=WebPushKeys.model_validate(SUBSCRIPTION["keys"])
)
CORRELATION = {"X-Correlation-ID": "c"}
FIXED = len("titleTbodynotification_idcorrelation_idc") + 36
LOOP = "{% for i in (1..times) %}{{ text }}{% endfor %}"


@pytest.fixture
def pushing(gateway):
    gateway.peers.add_push(title="T", body="{{ text }}")
    gateway.peers.add_push("loop", title="T", body=LOOP)
    return gateway


async def push(gateway, text: str, **changes: object):
    to = {} if "user_id" in changes or "to" in changes else {"to": {"push_tokens": ["device-1"]}}
    headers = gateway.token(UUID(int=1)) | CORRELATION
    given_body = {"notification_type": "push", "template_code": "push", "variables": {"text": text}} | to | changes
    return await gateway.send(headers=headers, **given_body)


def asked(gateway) -> list[str]:
    return [one for one in gateway.peers.asked if one.startswith("push texts")]


def refused(answered) -> str:
    """The message of the refusal."""
    body = answered.json()
    assert (answered.status_code, body["error"]) == (422, "push_too_large"), body
    assert [one["field"] for one in body["data"]["errors"]] == ["variables"]
    return body["message"]


async def test_the_limit_is_that_of_the_worker(pushing) -> None:
    largest = "x" * (MAX_FCM_BYTES - FIXED)
    assert (await push(pushing, largest)).status_code == 202
    assert f"{MAX_FCM_BYTES + 1} bytes" in refused(await push(pushing, largest + "x"))
    assert len(await pushing.published("push.queue")) == 1


async def test_a_usual_push_is_not_rendered(pushing) -> None:
    assert (await push(pushing, "x" * 3_000)).status_code == 202
    assert asked(pushing) == []


async def test_a_topic_takes_half_as_much(pushing) -> None:
    largest = "x" * (MAX_TOPIC_BYTES - FIXED)
    assert (await push(pushing, largest, to={"topic": "news"})).status_code == 202
    refused(await push(pushing, largest + "x", to={"topic": "news"}))


async def test_it_is_taken_if_one_of_the_devices_can_take_it(pushing) -> None:
    quotes = 2_500 * '"'  # twice as many bytes in JSON, which a browser gets
    browser = pushing.peers.add_user(push_tokens=(BROWSER,))
    both = pushing.peers.add_user(push_tokens=(BROWSER, PushToken(token="device-1")))
    assert "takes 3993" in refused(await push(pushing, quotes, user_id=str(browser.id)))
    assert (await push(pushing, quotes, user_id=str(both.id))).status_code == 202


async def test_loops_make_much_of_little(pushing) -> None:
    for times, status in ((10, 202), (1_000, 422)):
        variables = {"text": "hello", "times": times}
        answered = await push(pushing, "", template_code="loop", variables=variables)
        assert answered.status_code == status, answered.text
    assert len(asked(pushing)) == 3, "a refusal is checked with a fresh template"


async def test_the_callers_own_data_counts(pushing) -> None:
    data = {"overrides": {"push": {"data": {"k": "x" * 2_000}}}}
    assert (await push(pushing, "x" * 1_900, **data)).status_code == 202
    refused(await push(pushing, "x" * 2_100, **data))


async def test_a_scheduled_push_is_measured_too(pushing) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    refused(await push(pushing, "x" * 5_000, send_at=later))


async def test_in_a_batch_only_the_large_ones_are_refused(pushing) -> None:
    items = [
        {
            "notification_type": "push",
            "template_code": "loop",
            "to": {"push_tokens": [f"device-{number}"]},
            "variables": {"text": "hello", "times": 1_000 if number % 10 == 0 else 1},
        }
        for number in range(30)
    ]
    answered = await pushing.http.post(
        "/api/v1/notifications/batch", json={"notifications": items}, headers=pushing.token()
    )
    results = answered.json()["data"]["results"]
    assert [one["index"] for one in results if one["status_code"] == 422] == [0, 10, 20]
    assert {one["status_code"] for one in results} == {202, 422}
    assert asked(pushing) == ["push texts 25", "push texts 5", "push texts 3"]


async def test_the_answers_of_a_busy_template_service_are_put_together(pushing) -> None:
    pushing.peers.tried_at_once = 1
    large = {"notification_type": "push", "template_code": "loop", "variables": {"text": "hello", "times": 1_000}}
    items = [large | {"to": {"push_tokens": [f"device-{number}"]}} for number in range(3)]
    answered = await pushing.http.post(
        "/api/v1/notifications/batch", json={"notifications": items}, headers=pushing.token()
    )
    assert answered.json()["error"] == "batch_rejected"


@pytest.mark.parametrize("answers", [False, True], ids=["down", "busy"])
async def test_without_the_template_service_it_is_accepted_and_a_worker_measures_it(pushing, answers) -> None:
    assert (await push(pushing, "x")).status_code == 202  # the template is in memory now
    if answers:
        pushing.peers.tried_at_once = 0
    else:
        pushing.peers.down = True
    assert (await push(pushing, "x" * 5_000)).status_code == 202
    assert len(asked(pushing)) == 1


async def test_a_template_of_an_older_template_service_is_not_measured(pushing) -> None:
    pushing.peers.add_template("welcome", required=("text",))
    assert (await push(pushing, "x" * 5_000, template_code="welcome")).status_code == 202
    assert asked(pushing) == []


async def test_a_template_that_was_shortened_a_moment_ago_counts(pushing) -> None:
    refused(await push(pushing, "x" * 5_000))
    pushing.peers.add_push(version=4, title="T", body="{{ text | truncate: 100 }}")
    await pushing.redis.delete("template:push")
    assert (await push(pushing, "x" * 5_000)).status_code == 202


async def test_a_repeat_gets_its_first_answer(pushing) -> None:
    assert (await push(pushing, "x" * 3_000, request_id="r")).status_code == 202
    pushing.peers.add_push(version=4, title="T", body="{{ text }}{{ text }}")
    await pushing.redis.delete("template:push")
    await pushing.root.directory.templates(["push"], fresh=True)
    refused(await push(pushing, "x" * 3_000, request_id="s"))
    assert (await push(pushing, "x" * 3_000, request_id="r")).status_code == 202


# --- what is not rendered can never be too large

texts = st.text(st.sampled_from('aé€😀"\\\n\x01 {<&#ßŉΐ%'), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(texts, inside, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["a", "b", "a.b", "a[0]", "b.first", "b.size", "a.b.c"])
arguments = names | st.sampled_from(["'é\"'", "3", "nil"])
filters = st.one_of(
    st.sampled_from(["upcase", "downcase", "capitalize", "strip", "squish", "strip_newlines"]).map(" | {}".format),
    st.builds(" | {}: {}".format, st.sampled_from(["append", "prepend", "default"]), arguments),
    st.builds(" | truncate: 5, {}".format, arguments),
    st.builds(" | truncatewords: 1, {}".format, arguments),
    st.sampled_from(["%c", "%A %d. %B %Y", "%100Y"]).map(" | date: '{}'".format),
)
outputs = st.builds("{{{{ {}{} }}}}".format, names, st.lists(filters, max_size=3).map("".join))
pieces = st.one_of(
    outputs,
    texts.map(lambda text: text.replace("{", "")),
    st.builds("{{% if a %}}{}{{% else %}}{}{{% endif %}}".format, outputs, outputs),
    st.builds("{{% unless b %}}{}{{% endunless %}}".format, outputs),
)
sources = st.lists(pieces, min_size=1, max_size=4).map("".join)


@given(sources, sources, st.fixed_dictionaries({"a": values | st.just("2026-03-05"), "b": values}))
@settings(deadline=None, max_examples=300)
def test_the_bound_holds_for_whatever_is_rendered(title: str, body: str, variables: dict[str, Any]) -> None:
    try:
        template = compile_template(TemplateSource(title=title, body=body))
        rendered = template.render_push(variables)
    except TemplateError:
        return
    size = push_size(template)
    assert size is not None, "these filters and tags have a bound"
    bound = size.literal + sum(times * push_sizes._bytes(variables, path) for path, times in size.values.items())
    assert (
        sum(len(json.dumps(text, ensure_ascii=False).encode()) for text in (rendered.title, rendered.body)) <= bound + 4
    )


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "options",
    [
        None,
        {"collapse_key": "k" * 64, "sound": "s", "badge": 2**31 - 1, "image": "https://example.com/a.png"},
        {"data": {"k": '"' * 100}, "android": {"channel_id": "c"}, "apns": {"subtitle": '"é', "mutable_content": True}},
        {"web_push": {"actions": [{"action": "a", "title": '"'}] * 3, "require_interaction": True, "silent": False}},
        {"content_available": True, "data": {"k": "v"}},
        {"apns": {"live_activity": {"event": "update", "content_state": {"a": ['"', 1.5]}, "alert": True}}},
    ],
)
def test_what_a_message_has_beside_the_texts_is_bounded(provider, options) -> None:
    given_options = NotificationOverrides.model_validate({"push": options}) if options else None
    overrides = given_options and Overrides.model_validate(given_options.as_kept(datetime.now(UTC)))
    text = RenderedText(title='"é', body="\n" * 50, image="https://example.com/i.png", link="https://example.com/")
    message = push_sizes._Message(UUID(int=0), "c" * 128, overrides)
    size = measured(text, PushToken(provider=provider, token="t"), message)
    own = push_sizes.OWN_BYTES + 2 * len(json.dumps(given_options and given_options.as_json, ensure_ascii=False))
    assert size <= own + sum(len(json.dumps(one, ensure_ascii=False).encode()) for one in text.model_dump().values())
