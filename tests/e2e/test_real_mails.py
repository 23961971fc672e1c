"""Twenty-four e-mail templates of other projects arrive with the texts and links that their own tools give them.

npm brings them: Foundation for Emails (Inky), Mailgen (with its Cerberus theme), a responsive one, Mailgun's, Vendure (MJML).
"""

import email
import json
import os
import subprocess
from email.message import EmailMessage
from email.policy import default
from typing import Any, NamedTuple
from uuid import uuid4

import html5lib
import pytest

from testkit.system import ROOT, System
from tests.e2e.test_difficult_mail import mail_of

FOLDER = ROOT / "tests" / "e2e" / "real_mails"
LINES = [
    {"quantity": 2, "productVariant": {"name": "Pen & ink", "quantity": 2}, "discountedLinePriceWithTax": 1_050,
     "featuredAsset": {"preview": "https://example.com/pen.png"}},
    {"quantity": 1, "productVariant": {"name": "Cup <blue>", "quantity": 1}, "discountedLinePriceWithTax": 700,
     "featuredAsset": {"preview": "https://example.com/cup.png"}},
]  # fmt: skip
VALUES = {
    "person": "Susan Calvin",
    "passwordResetUrl": "https://example.com/reset",
    "passwordResetToken": "MjAyNi0x_abc",
    "verifyEmailAddressUrl": "https://example.com/verify",
    "verificationToken": "TjAyNi0x_def",
    "changeEmailAddressUrl": "https://example.com/change",
    "identifierChangeToken": "VjAyNi0x_ghi",
    "order": {
        "code": "A-17", "currencyCode": "EUR", "total": 2_450, "subTotalWithTax": 1_750, "totalWithTax": 2_450,
        "customer": {"firstName": "Susan", "lastName": "Calvin"}, "lines": LINES, "orderPlacedAt": "2026-11-28",
        "shippingAddress": {"fullName": "Susan Calvin", "streetLine1": "1 Main St", "city": "New York"},
        "discounts": [{"description": "Autumn", "amount": -100}],
    },
    "shippingLines": [{"shippingMethod": {"name": "Express"}, "priceWithTax": 700}],
}  # fmt: skip


class Shown(NamedTuple):
    """What a reader sees: texts in their order, addresses of links and of pictures."""

    text: str
    links: list[str]
    pictures: list[str]


def shown(html: str) -> Shown:
    body = html5lib.parse(html, namespaceHTMLElements=False).find("body")
    for parent in list(body.iter()):
        for child in [one for one in parent if one.tag in ("style", "script", "title")]:
            child.text = ""
    words = " ".join("".join(text for text in _texts(body)).split())
    links = [link.get("href", "") for link in body.iter("a")]
    return Shown(words, links, [picture.get("src", "") for picture in body.iter("img")])


def _texts(element: Any) -> list[str]:
    """html5lib's comments, which are conditions for Outlook, have a function for a tag."""
    own = [element.text or ""] if isinstance(element.tag, str) else []
    return own + [text for child in element for text in (*_texts(child), child.tail or "", " ")]


@pytest.fixture(scope="module")
def templates() -> list[dict[str, str]]:
    modules = FOLDER / "node_modules"
    subprocess.run(["make", "--no-print-directory", modules.relative_to(ROOT) / ".ready"], cwd=ROOT, check=True)
    command = ["node", FOLDER / "compile.cjs", json.dumps(VALUES)]
    environment = {**os.environ, "NODE_PATH": str(modules)}
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=120)
    found: list[dict[str, str]] = json.loads(done.stdout)
    assert len(found) == 24
    return found


def received(system: System, content: str) -> EmailMessage:
    """The mail of a template with this content, saved and sent over HTTP."""
    code, address = f"real-{uuid4().hex}", f"{uuid4().hex}@example.com"
    system.call(
        "POST", "/templates/", {"code": code, "name": "Real", "language": "en", "subject": "S", "content": content}
    )
    variables = {name: value for name, value in VALUES.items() if f"{{{{ {name} }}}}" in content}
    body = {"notification_type": "email", "to": {"email": address}, "template_code": code, "variables": variables}
    sent = system.call("POST", "/notifications/", body, status=202)["notification_id"]
    assert system.follow(sent)["status"] == "sent"
    read = email.message_from_bytes(mail_of(system, address).encode(), policy=default)
    assert isinstance(read, EmailMessage)
    return read


def test_each_arrives_with_its_texts_links_and_pictures(system: System, templates: list[dict[str, str]]) -> None:
    wrong = {}
    for template in templates:
        mail = received(system, template["content"])
        html, text = mail.get_body(("html",)), mail.get_body(("plain",))
        assert html is not None, template["name"]
        assert text is not None, template["name"]
        expected, found = shown(template["html"]), shown(html.get_content())
        for name in Shown._fields:
            if getattr(expected, name) != getattr(found, name):
                wrong[f"{template['name']}: {name}"] = (getattr(expected, name), getattr(found, name))
        missing = [link for link in expected.links if link.startswith("http") and link not in text.get_content()]
        if missing:
            wrong[f"{template['name']}: links of the text"] = (missing, text.get_content())
    assert not wrong, wrong
