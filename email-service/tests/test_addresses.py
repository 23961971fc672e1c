"""What is kept of an address where it must not be readable."""

from email_service.suppression import fingerprint, masked


def test_a_fingerprint_is_the_same_for_every_capitalisation_and_tells_nothing():
    assert fingerprint("Ada@Example.com ") == fingerprint("ada@example.com")
    assert fingerprint("ada@example.com") != fingerprint("eda@example.com")
    assert len(fingerprint("ada@example.com")) == 64


def test_a_masked_address_can_be_recognised_but_not_written_to():
    assert masked("ada@example.com") == "a***@example.com"
