"""A return path identifies its notification, and only this service can make one."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.addresses import fingerprint, parse_mailbox
from email_service.bounces.return_path import BounceToken, ReturnPath

PATH = ReturnPath("bounces.example.org", b"a key of the service")
IDENTITY, ADA = uuid4(), fingerprint("ada@example.com")
ADDRESS = PATH.address(IDENTITY, ADA)
TOKEN = BounceToken(IDENTITY, ADA[:20])


def test_a_return_path_is_an_address_that_identifies_the_delivery():
    assert parse_mailbox(ADDRESS).spec == ADDRESS
    assert PATH.read(ADDRESS) == TOKEN
    assert PATH.address(IDENTITY, ADA) == ADDRESS


def test_servers_may_change_its_case_and_put_brackets_around_it():
    assert PATH.read(f" <{ADDRESS.upper()}> ") == TOKEN


@given(st.uuids(), st.binary(min_size=32, max_size=32))
def test_every_notification_and_recipient_lead_back(identity, recipient):
    assert PATH.read(PATH.address(identity, recipient.hex())) == BounceToken(identity, recipient.hex()[:20])


@pytest.mark.parametrize("place", range(len("bounces+"), ADDRESS.index("@")))
def test_no_character_of_it_can_be_another(place):
    changed = "b" if ADDRESS[place] == "a" else "a"
    read = PATH.read(ADDRESS[:place] + changed + ADDRESS[place + 1 :])
    assert read is None or (place == ADDRESS.index("@") - 1 and read == TOKEN), (
        "the last one has bits that mean nothing"
    )


@given(st.text())
def test_nothing_else_is_read_and_nothing_raises(text):
    for address in (text, f"bounces+{text}@bounces.example.org", f"{text}@bounces.example.org"):
        assert PATH.read(address) is None


def test_another_key_or_domain_makes_none_of_ours():
    assert ReturnPath("bounces.example.org", b"another key").read(ADDRESS) is None
    assert ReturnPath("bounces.example.net", b"a key of the service").read(ADDRESS) is None
