"""The templates of the mails that the system itself sends. Administrators may change them and add languages.

Each gets `token`, `link` and `valid_hours`; `link` is empty where the installation has no page that takes the token, and
`token` where nothing is to be done. None greets by name: whoever signs up with somebody else's address would write to them.
"""

import contextlib

from chassis.audit import COMMAND
from contracts.system_mails import ADDRESS_CHANGED, CONFIRM_ADDRESS, PASSWORD_RESET, VERIFY_EMAIL
from contracts.templates import TemplateQuestion
from template_service.drafts import NewTemplate
from template_service.errors import TemplateExists
from template_service.services.reading import TemplateReader
from template_service.services.writing import TemplateWriter

LANGUAGE = "en"


def _step(label: str) -> str:
    """The link, or the token where there is no page to link to."""
    return (
        f'{{% if link != "" %}}<p><a href="{{{{ link }}}}">{label}</a></p>'
        f"{{% else %}}<p>{label} with this token:</p><p><code>{{{{ token }}}}</code></p>{{% endif %}}"
        "<p>It works once, for {{ valid_hours }} h.</p>"
    )


def _template(code: str, subject: str, content: str) -> NewTemplate:
    return NewTemplate(
        code, subject, "Sent by the system itself", LANGUAGE, {"subject": subject, "html": content}, channels=("email",)
    )


SYSTEM_TEMPLATES = (
    _template(
        PASSWORD_RESET,
        "Set a new password",
        "<p>A new password was asked for, for the account with this address. If it was not you, ignore this mail.</p>"
        + _step("Set a new password"),
    ),
    _template(
        VERIFY_EMAIL,
        "Confirm your e-mail address",
        "<p>An account was made with this address. If it was not you, ignore this mail.</p>"
        + _step("Confirm the address"),
    ),
    _template(
        CONFIRM_ADDRESS,
        "Confirm your new e-mail address",
        "<p>This address is to become the one of an account. If it was not you, ignore this mail.</p>"
        + _step("Confirm the address"),
    ),
    _template(
        ADDRESS_CHANGED,
        "The e-mail address of your account was changed",
        "<p>The account that had this address has another one now.</p>"
        '{% if token != "" %}<p>If it was not you: take the address back, with a new password.</p>'
        + _step("Take the address back")
        + "{% else %}<p>It was changed for you by those who run this service; ask them if that is not right.</p>{% endif %}",
    ),
)


async def ensure_system_templates(reader: TemplateReader, writer: TemplateWriter) -> int:
    """Makes those that are missing, or were archived: without them nobody gets a new password. Never busy."""
    codes = tuple(template.code for template in SYSTEM_TEMPLATES)
    there = (await reader.findings(TemplateQuestion(active=codes))).active
    for template in SYSTEM_TEMPLATES:
        if template.code not in there:
            with contextlib.suppress(TemplateExists):  # another replica made it meanwhile
                await writer.create(template, COMMAND)
    return 0
