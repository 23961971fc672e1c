"""Lists of addresses as files: CSV as RFC 4180 has it, and JSON lines, in pieces of any size."""

from collections.abc import AsyncIterator

import pytest

from api_gateway.routers.suppression_files import HEAD, MAX_PROBLEMS, MAX_RECORD, MAX_ROWS, read_addresses
from chassis.errors import Unprocessable

PATH = "/api/v1/suppressions/import"


async def pieces(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def read(content: bytes, *, size: int = 7, json: bool = False) -> dict[str, list[str]]:
    return (await read_addresses(pieces(content, size), json=json, reason="manual")).by_reason


async def refusals(content: bytes, *, size: int = 7, json: bool = False) -> dict[str, str]:
    with pytest.raises(Unprocessable) as refused:
        await read(content, size=size, json=json)
    return {error["field"]: error["message"] for error in refused.value.data["errors"]}


@pytest.mark.parametrize("size", [1, 3, 1_000])
@pytest.mark.parametrize(
    "content",
    [
        b"email,reason\r\nada@example.com,bounced\r\nbo@example.com,\r\n",
        b"email,reason\nada@example.com,bounced\nbo@example.com,",
        b"\xef\xbb\xbfEmail,REASON\r\n\r\nada@example.com,Bounced\r\n  bo@example.com ,manual\r\n\r\n",
        b'"reason","note","email"\r\n"bounced","she said ""no"",\r\nand left","ada@example.com"\r\n,x,bo@example.com\r\n',
    ],
)
async def test_csv_is_read_in_pieces_of_any_size(content, size):
    assert await read(content, size=size) == {"bounced": ["ada@example.com"], "manual": ["bo@example.com"]}


async def test_json_lines_are_read_too():
    content = b'{"email": "ada@example.com", "reason": "bounced"}\n\n{"email": "bo@example.com", "created": 1}\n'
    assert await read(content, json=True) == {"bounced": ["ada@example.com"], "manual": ["bo@example.com"]}


@pytest.mark.parametrize("json", [False, True])
async def test_an_exported_list_has_fingerprints_in_place_of_addresses(json):
    csv = f"fingerprint,masked,reason,origin\n{'a' * 64},a***@example.com,bounced,api\n{'b' * 64},,,\n"
    lines = f'{{"fingerprint": "{"a" * 64}", "masked": "a***@example.com", "reason": "bounced"}}\n'
    lines += f'{{"fingerprint": "{"b" * 64}"}}'
    found = await read_addresses(pieces((lines if json else csv).encode(), 7), json=json, reason="manual")
    assert {reason: [(one.fingerprint, one.masked) for one in given] for reason, given in found.exported.items()} == {
        "bounced": [("a" * 64, "a***@example.com")],
        "manual": [("b" * 64, "***")],
    }
    assert (found.by_reason, found.rows) == ({}, 2)


@pytest.mark.parametrize(
    ("fingerprint", "masked"), [("ada@example.com", ""), ("A" * 64, ""), ("a" * 64, "ada@example.com"), ("a" * 65, "")]
)
async def test_a_fingerprint_that_is_none_is_refused_and_an_address_in_the_clear_is_not_stored(fingerprint, masked):
    problems = await refusals(f"fingerprint,masked\n{fingerprint},{masked}\n".encode())
    assert problems.keys() == {"line 2"}
    assert "ada" not in str(problems)


async def test_internationalised_addresses_are_stored_as_everywhere():
    assert await read("email\nada@xn--bcher-kva.example\nlövö@example.com\n".encode()) == {
        "manual": ["ada@bücher.example", "lövö@example.com"]
    }


async def test_every_line_that_is_not_valid_is_named_by_its_number_and_never_quoted():
    content = (
        b'email,reason,note\nada@example.com,,"two\nlines"\nnobody,,\nbo@example.com,5.1.1 gone,\nonly@example.com\n'
    )
    problems = await refusals(content)
    assert problems.keys() == {"line 4", "line 5", "line 6"}
    assert not any("nobody" in message or "gone" in message for message in problems.values())


async def test_json_lines_that_are_not_valid_are_named():
    content = b'{"email": "ada@example.com"}\nx\n[]\n{"email": 5}\n{"email": "bo@example.com", "reason": ["x"]}\n'
    assert (await refusals(content, json=True)).keys() == {"line 2", "line 3", "line 4", "line 5"}


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "body"),
        (b"email\r\n", "body"),
        (b"\r\n\r\n", "body"),
        (b"ada@example.com\r\n", "line 1"),
        (b"address,reason\r\nada@example.com,\r\n", "line 1"),
        (b'email\nada@example.com\n"bo@example.com\nx\n', "line 3"),
        (b"email\n\xff\xfe\n", "line 1"),
        (b"email\nada@example.com\n" + b"x" * (MAX_RECORD + 1), "line 3"),
        (b'email\n"' + b"\n" * 2 * MAX_RECORD, "line 2"),
    ],
)
async def test_a_file_of_another_form_is_refused(content, field):
    problems = await refusals(content, size=100_000)
    assert problems.keys() >= {field}
    assert field != "line 1" or problems[field] in {HEAD, "is not UTF-8"}


async def test_problems_and_rows_are_bounded():
    assert len(await refusals(b"email\n" + b"x\n" * 10_000)) == MAX_PROBLEMS
    rows = b"".join(b"a%d@example.com\n" % number for number in range(MAX_ROWS))
    assert len((await read(b"email\n" + rows, size=65_536))["manual"]) == MAX_ROWS
    assert await refusals(b"email\n" + rows + b"z@example.com\n", size=65_536) == {
        f"line {MAX_ROWS + 2}": f"A file has at most {MAX_ROWS:,} rows"
    }


async def test_an_administrator_uploads_a_file_and_it_is_noted_once(gateway) -> None:
    admin = {**gateway.token(), "content-type": "text/csv"}
    content = b"email,reason\r\n" + b"".join(b"a%d@example.com,\r\n" % number for number in range(2_500))
    answered = await gateway.http.post(PATH, params={"reason": "bounced"}, content=content, headers=admin)
    assert answered.json()["data"] == {"rows": 2_500, "added": 2_500}, answered.text
    assert gateway.peers.asked.count("suppress") == 3
    events = (await gateway.http.get("/api/v1/audit", params={"action": "suppressions.imported"}, headers=admin)).json()
    assert [event["after"] for event in events["data"]] == [{"rows": 2_500, "added": 2_500}]


async def test_a_file_with_a_bad_line_adds_nothing(gateway) -> None:
    admin = {**gateway.token(), "content-type": "text/csv"}
    content = b"email\r\n" + b"a@example.com\r\n" * 2_500 + b"nobody\r\n"
    refused = await gateway.http.post(PATH, content=content, headers=admin)
    assert (refused.status_code, refused.json()["data"]["errors"][0]["field"]) == (422, "line 2502")
    assert "suppress" not in gateway.peers.asked
    wrong = await gateway.http.post(PATH, params={"reason": "unknown"}, content=content, headers=admin)
    assert wrong.json()["data"]["errors"][0]["field"] == "reason"


async def test_only_administrators_upload_and_a_large_file_is_a_413(gateway) -> None:
    assert (await gateway.http.post(PATH, content=b"email\n", headers=gateway.token(role="user"))).status_code == 403
    assert (await gateway.http.post(PATH, content=b"email\n")).status_code == 401

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(5_000):
            yield b"\r\n" * 500

    for content in (b" " * 5_000_000, endless()):
        answered = await gateway.http.post(PATH, content=content, headers=gateway.token())
        assert answered.status_code == 413


async def test_while_no_worker_answers_it_is_a_503(gateway) -> None:
    gateway.peers.down = True
    answered = await gateway.http.post(PATH, content=b"email\na@example.com\n", headers=gateway.token())
    assert (answered.status_code, answered.json()["error"]) == (503, "dependency_unavailable")
