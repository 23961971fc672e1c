"""A sealed value opens only in its own place and with its own key. Invalid keys are refused by name."""

import base64
import os

import pytest

from chassis.security.data_keys import REMEMBERED_SECONDS, DataKeys, FreeText, StoredBytes, ValueUnreadable
from chassis.settings import DataKeySettings


def entry(key_id: str, key: bytes | None = None) -> str:
    return f"{key_id}:{base64.b64encode(key or os.urandom(32)).decode()}"


OLD, NEW = entry("old"), entry("new")


def test_a_value_opens_in_its_place_and_is_another_text_each_time() -> None:
    keys = DataKeys.parse(OLD)
    sealed = {keys.seal("t.c", 1, "värde") for _ in range(100)} | {DataKeys.parse(OLD).seal("t.c", 1, "värde")}
    assert len(sealed) == 101
    assert all(one.startswith("enc1:old:") for one in sealed)
    assert {DataKeys.parse(OLD).open("t.c", 1, one) for one in sealed} == {"värde"}
    assert keys.open("t.c", 1, keys.seal("t.c", 1, "")) == ""


def test_two_processes_never_number_their_values_under_one_key() -> None:
    """Using one nonce twice under one key reveals both values."""
    bodies = [base64.b64decode(DataKeys.parse(OLD).seal("t.c", 1, "x").split(":")[2]) for _ in range(2)]
    assert bodies[0][:16] != bodies[1][:16]
    assert bodies[0][16:24] == bodies[1][16:24]


def test_a_value_that_was_copied_elsewhere_or_changed_does_not_open() -> None:
    keys = DataKeys.parse(OLD)
    sealed = keys.seal("t.c", 1, "value")
    body = base64.b64decode(sealed.split(":")[2])
    changed = [body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :] for place in range(len(body))]
    forged = [
        ("t.c", 2, sealed),
        ("t.d", 1, sealed),
        ("t.c", 1, "enc1:old:"),
        ("t.c", 1, "enc1:old:%"),
        ("t.c", 1, "enc1:"),
    ]
    forged += [("t.c", 1, f"enc1:old:{base64.b64encode(one).decode()}") for one in changed]
    for column, row, text in forged:
        with pytest.raises(ValueUnreadable):
            keys.open(column, row, text)


async def test_another_key_of_the_same_name_or_none_is_said_counted_and_shown_for_a_minute(clock) -> None:
    sealed, met = DataKeys.parse(OLD).seal("t.c", 1, "value"), []
    others = DataKeys({"old": os.urandom(32)}, on_unreadable=lambda: met.append(1), clock=clock)
    without = DataKeys()
    await others.check()
    for keys in (others, without):
        with pytest.raises(ValueUnreadable) as refused:
            keys.open("t.c", 1, sealed)
        assert (refused.value.status, refused.value.code, refused.value.key_id) == (503, "value_unreadable", "old")
    assert met == [1]
    with pytest.raises(ValueUnreadable):
        await others.check()
    clock.advance(REMEMBERED_SECONDS)
    await others.check()


def test_the_first_key_seals_all_open_and_what_is_current_is_left() -> None:
    old, both = DataKeys.parse(OLD), DataKeys.parse(f" {NEW} , {OLD} ")
    sealed = old.write("t.c", 1, "{}")
    renewed = both.rewrite("t.c", 1, sealed)
    assert renewed.startswith("enc1:new:")
    assert both.rewrite("t.c", 1, renewed) is renewed
    assert both.read("t.c", 1, renewed) == both.read("t.c", 1, sealed) == both.read("t.c", 1, "{}") == "{}"
    assert both.rewrite("t.c", 1, "{}").startswith("enc1:new:")


def test_plain_before_them_writes_plain_and_goes_back() -> None:
    sealed = DataKeys.parse(OLD).write("t.c", 1, "{}")
    back = DataKeys.parse(f"plain,{OLD}")
    assert (back.seals, back.write("t.c", 1, "[]"), back.rewrite("t.c", 1, sealed)) == (False, "[]", "{}")
    with pytest.raises(RuntimeError):
        back.seal("t.c", 1, "[]")


def test_without_keys_everything_stays_as_it_is() -> None:
    keys = DataKeys.parse("")
    assert (keys.seals, keys.write("t.c", 1, "{}"), keys.read("t.c", 1, "{}")) == (False, "{}", "{}")
    assert keys.write_free("t.c", 1, "words") == FreeText("words", None)


def test_free_text_may_look_like_a_sealed_value() -> None:
    keys, words = DataKeys.parse(OLD), DataKeys.parse(OLD).seal("t.c", 1, "other")
    stored = keys.write_free("t.c", 1, words)
    assert stored.plain is None
    assert keys.read_free("t.c", 1, stored) == words
    assert keys.read_free("t.c", 1, FreeText(words, None)) == words, "it was written plain"
    assert keys.rewrite_free("t.c", 1, stored) is stored
    back = DataKeys.parse(f"plain,{OLD}")
    assert back.rewrite_free("t.c", 1, stored) == FreeText(words, None)
    assert keys.rewrite_free("t.c", 1, FreeText(None, None)) == FreeText(None, None)


TEXT = base64.b64encode(b"correct horse battery staple 123").decode()
SAME = entry("a", bytes(range(7, 7 + 64, 2)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nonsense", "entry 1 is not so"),
        (f"{OLD},", "entry 2 is not so"),
        (f"{OLD},plain", "entry 2 is not so"),
        (f"plain,{OLD},x", "entry 3 is not so"),
        (f"plain:{OLD[4:]}", "entry 1 is not so"),
        (f"bad id:{OLD[4:]}", "entry 1 is not so"),
        (f"{'i' * 33}:{OLD[4:]}", "entry 1 is not so"),
        ("a:abc", "not base64: a"),
        (entry("a", os.urandom(16)), "keys of 32 bytes: a has 16"),
        (entry("a", os.urandom(33)), "keys of 32 bytes: a has 33"),
        (f"{OLD},{entry('old')}", "twice: old"),
        (f"{OLD},{OLD.replace('old', 'other')}", "twice: other"),
        (f"a:{TEXT}", "random keys"),
        (entry("a", bytes(32)), "random keys"),
        (entry("a", os.urandom(16) * 2), "random keys"),
        (entry("a", bytes(range(32))), "random keys"),
        (SAME, "random keys"),
    ],
)
def test_a_key_that_is_none_is_refused_at_the_start_by_name_and_its_value_is_not_said(given, said, monkeypatch) -> None:
    with pytest.raises(ValueError, match=r"random|takes|base64|twice") as refused:
        DataKeys.parse(given)
    assert said in str(refused.value)
    with pytest.raises(ValueError, match="data_encryption_keys") as stopped:
        DataKeySettings(_env_file=None, data_encryption_keys=given)
    assert said in str(stopped.value)
    for value in [part.partition(":")[2] for part in given.split(",") if len(part) > 20]:
        assert value not in str(stopped.value)


def test_good_keys_are_never_refused() -> None:
    for _ in range(2_000):
        DataKeys.parse(entry("k-1_A"))
    urlsafe = base64.urlsafe_b64encode(b"\xfb\xff" + os.urandom(30)).decode()
    assert DataKeys.parse(f"k:{urlsafe}").seals


def test_bytes_open_in_their_place_with_any_of_the_keys_and_may_be_plain() -> None:
    anything = b"enc1:old:" + bytes(range(256))
    sealed = DataKeys.parse(OLD).write_bytes("t.c", 1, anything)
    assert (sealed.key, anything[:20] in sealed.content) == ("old", False)
    assert DataKeys.parse(f"{NEW},{OLD}").read_bytes("t.c", 1, sealed) == anything
    for keys, row, stored in (
        (DataKeys.parse(NEW), 1, sealed),
        (DataKeys.parse(OLD), 2, sealed),
        (DataKeys.parse(OLD), 1, StoredBytes(b"", "old")),
        (DataKeys.parse(OLD), 1, StoredBytes(sealed.content[:-1], "old")),
    ):
        with pytest.raises(ValueUnreadable):
            keys.read_bytes("t.c", row, stored)
    plain = DataKeys.parse(f"plain,{OLD}").write_bytes("t.c", 1, anything)
    assert plain == StoredBytes(anything, None)
    assert DataKeys().read_bytes("t.c", 1, plain) == anything
