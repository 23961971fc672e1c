import json
import stat
import time
from base64 import urlsafe_b64encode

import pytest

from devstack.simulators.oauth import GRANT_TYPE, make_service_account, write_service_account

BASE_URL = "http://simulator.test"


async def test_an_honest_assertion_buys_a_token(http, grant):
    answer = await http.post("/token", data=grant())
    assert answer.status_code == 200
    token = answer.json()
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
    assert token["access_token"]


async def test_an_assertion_signed_by_another_key_is_refused(http, grant):
    forged = make_service_account(BASE_URL).private_key
    answer = await http.post("/token", data=grant(key=forged))
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "somebody@else.example"},
        {"scope": "https://www.googleapis.com/auth/drive"},
        {"scope": None},
        {"aud": "https://elsewhere.example/token"},
        {"exp": int(time.time()) - 3600, "iat": int(time.time()) - 7200},
        {"exp": int(time.time()) + 90_000},
        {"iat": int(time.time()) + 3000},
        {"iat": None},
        {"exp": "tomorrow"},
    ],
)
async def test_claims_that_do_not_hold_are_refused(http, grant, claims):
    answer = await http.post("/token", data=grant(**claims))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


DEEP = urlsafe_b64encode(b"[" * 5000).decode()  # too deep for the JSON parser


@pytest.mark.parametrize(
    "assertion",
    [
        "",
        "a.b",
        "a.b.c",
        "é.é.é",
        "....",
        f"{part({'alg': 'none'})}.{part({})}.",
        f"{part([])}.{part({})}.x",
        f"{DEEP}.x.x",
        "x" * 9000,
    ],
)
async def test_what_is_no_rs256_jwt_is_refused(http, assertion):
    answer = await http.post("/token", data={"grant_type": GRANT_TYPE, "assertion": assertion})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_a_symmetric_signature_is_refused(http, grant):
    answer = await http.post("/token", data=grant(key="shared secret", algorithm="HS256"))
    assert answer.json()["error"] == "invalid_grant"


async def test_an_honest_signature_under_another_algorithms_name_is_refused(http, grant):
    answer = await http.post("/token", data=grant(named="none"))
    assert answer.json()["error"] == "invalid_grant"


async def test_another_grant_type_is_refused(http, grant):
    answer = await http.post("/token", data=grant() | {"grant_type": "client_credentials"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path):
    path = tmp_path / "data" / "service-account.json"
    first = write_service_account(path, "http://127.0.0.1:1/")
    second = write_service_account(path, "http://127.0.0.1:2")
    assert first.private_key == second.private_key
    assert (first.token_uri, second.token_uri) == ("http://127.0.0.1:1/token", "http://127.0.0.1:2/token")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written = json.loads(path.read_text())
    assert written["type"] == "service_account"
    assert written["token_uri"] == second.token_uri
    assert {"project_id", "private_key_id", "private_key", "client_email"} <= written.keys()
