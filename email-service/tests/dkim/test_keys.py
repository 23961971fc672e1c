"""Which keys a deployment may sign with, and which of them do."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from pydantic import ValidationError

from email_service.dkim.keys import DkimKeys
from email_service.settings import EmailSettings
from testkit.dkim_keys import ed25519, inline, pem, rsa


@pytest.fixture
def file(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "Key.pem"
        path.write_text(text)
        return str(path)

    return write


def test_a_key_is_a_file_or_a_pem_or_its_base64(file):
    path = file(pem(rsa()))
    escaped = pem(rsa()).replace("\n", "\\n")
    records = {
        DkimKeys.parse(f"Example.org:S1:{given}").all[0].record for given in (path, pem(rsa()), escaped, inline(rsa()))
    }
    assert len(records) == 1
    assert records.pop().startswith("v=DKIM1; k=rsa; p=MIIBIjANBgkq")


def test_the_first_key_of_a_kind_signs_and_later_ones_are_only_published():
    keys = DkimKeys.parse(
        f"example.org:new:{inline(rsa())},example.org:old:{inline(rsa(number=2))},example.org:e:{inline(ed25519())},"
        f"other.example:s:{inline(rsa())}"
    )
    assert [key.selector for key in keys.signing_for("example.org")] == ["new", "e"]
    assert [key.record_name for key in keys.all][:2] == ["new._domainkey.example.org", "old._domainkey.example.org"]


def test_a_domain_below_one_with_a_key_is_signed_for_by_it_and_a_stranger_by_none():
    keys = DkimKeys.parse(f"example.org:s1:{inline(rsa())},news.example.org:s2:{inline(rsa())}")
    signing = {
        name: [key.domain for key in keys.signing_for(name)] for name in ("a.News.example.org", "mail.example.org")
    }
    assert signing == {"a.News.example.org": ["news.example.org"], "mail.example.org": ["example.org"]}
    assert keys.signing_for("badexample.org") == keys.signing_for("org") == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("example.org", "entry 1 is not so"),
        ("example.org:s1:", "entry 1 is not so"),
        ("org:s1:key", "entry 1 is not so"),
        ("example.org:s_1:key", "entry 1 is not so"),
        ("example.org:s1:/nowhere/key.pem", "example.org:s1: No such file"),
        ("example.org:s1:MIIB", "cannot be read: example.org:s1"),
        (f"example.org:s1:{inline(rsa(1024))}", "at least 2048 bits: example.org:s1 has 1024"),
        (f"example.org:s1:{inline(ed25519())}", "beside an RSA key only"),
        (f"example.org:s1:{inline(rsa())},example.org:s1:{inline(rsa())}", "a selector twice"),
    ],
)
def test_a_key_that_cannot_sign_stops_the_start_with_a_line_that_says_why(text, why):
    with pytest.raises(ValidationError, match=why) as refused:
        EmailSettings(_env_file=None, dkim_keys=text)
    assert inline(rsa())[40:80] not in str(refused.value.errors(include_input=False))


def test_a_key_of_another_kind_or_with_a_passphrase_is_refused(file):
    with pytest.raises(ValueError, match="RSA and Ed25519 keys"):
        DkimKeys.parse(f"example.org:s1:{inline(generate_private_key(SECP256R1()))}")
    locked = rsa().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    with pytest.raises(ValueError, match="passphrase"):
        DkimKeys.parse(f"example.org:s1:{file(locked.decode())}")
