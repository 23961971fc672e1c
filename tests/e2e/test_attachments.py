"""Files and copies of an e-mail, from the request to the provider's side."""

import base64
import email
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

from testkit.system import System

PDF = b"%PDF-1.7\r\n" + bytes(range(256)) * 8_000
NAME = "Rechnung \N{EURO SIGN}.pdf"


@contextmanager
def served(files: dict[str, bytes]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """An HTTP server of these files by path, and its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path.partition("?")[0])
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", files
        finally:
            server.shutdown()


def test_a_file_and_a_copy_arrive_with_the_mail(system: System, user: str) -> None:
    copy, blind = (f"{uuid4().hex}@example.com" for _ in range(2))
    file = {"filename": NAME, "content_type": "application/pdf", "content": base64.b64encode(PDF).decode()}
    sent = system.send("email", user, email={"cc": [copy], "bcc": [blind], "attachments": [file]})
    followed = system.follow(sent)
    assert (followed["status"], followed["attachments"][0]["size"]) == ("sent", len(PDF))
    arrived = [one for one in system.messages("email") if one["message_id"].startswith(f"<{sent}")]
    assert len(arrived) == 3
    assert {copy, blind} < {one["recipient"] for one in arrived}
    source = system.message(arrived[0]["id"])["source"]
    assert blind not in source
    mail = email.message_from_string(source, policy=policy.SMTPUTF8)
    [attached] = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_payload(decode=True)) == (NAME, PDF)


def test_a_file_by_url_arrives_as_it_was_when_it_was_accepted(system: System, user: str) -> None:
    with served({"/invoice.pdf": PDF}) as (url, files):
        by_url = {"filename": NAME, "content_type": "application/pdf", "url": f"{url}/invoice.pdf?signature=x"}
        sent = system.send("email", user, email={"attachments": [by_url]})
        files["/invoice.pdf"] = b"another one"
    assert system.follow(sent)["status"] == "sent"
    [arrived] = [one for one in system.messages("email") if one["message_id"].startswith(f"<{sent}")]
    mail = email.message_from_string(system.message(arrived["id"])["source"], policy=policy.SMTPUTF8)
    [attached] = mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type()) == (NAME, "application/pdf")
    assert attached.get_payload(decode=True) == PDF


def test_a_batch_says_which_file_could_not_be_fetched(system: System, user: str) -> None:
    with served({"/a.pdf": PDF}) as (url, _):
        item = {"notification_type": "email", "user_id": user, "template_code": "welcome",
                "variables": {"name": "Ada", "link": "https://example.com/x"}}  # fmt: skip
        file = {"filename": NAME, "content_type": "application/pdf"}
        items = [
            {**item, "email": {"attachments": [{**file, "url": f"{url}/{name}"}]}}
            for name in ("a.pdf", "none", "a.pdf")
        ]
        answer = system.call("POST", "/notifications/batch", {"notifications": items}, status=202)
    assert [one["status_code"] for one in answer["results"]] == [202, 422, 202]
    [error] = answer["results"][1]["data"]["errors"]
    assert error == {"field": "email.attachments.0.url", "message": "was answered with 404"}
    for one in (answer["results"][0], answer["results"][2]):
        assert system.follow(one["data"]["notification_id"])["attachments"][0]["size"] == len(PDF)
