"""Templates of the mails that the system itself sends. Administrators may change them and add languages.

Their variables are `token`, `link` and `valid_hours`. `link` is empty if the installation has no page that accepts the
token. `token` is empty if the reader has nothing to do. No mail contains a name: a stranger could sign up with another
person's address and choose the text.
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
    """The link, or the token if there is no page to link to."""
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
        "<p>Somebody requested a new password for the account with this address. If it was not you, ignore this mail.</p>"
        + _step("Set a new password"),
    ),
    _template(
        VERIFY_EMAIL,
        "Confirm your e-mail address",
        "<p>An account was created with this address. If it was not you, ignore this mail.</p>"
        + _step("Confirm the address"),
    ),
    _template(
        CONFIRM_ADDRESS,
        "Confirm your new e-mail address",
        "<p>An account is to be moved to this address. If it was not you, ignore this mail.</p>"
        + _step("Confirm the address"),
    ),
    _template(
        ADDRESS_CHANGED,
        "The e-mail address of your account was changed",
        "<p>The address of your account was changed to another one.</p>"
        '{% if token != "" %}<p>If it was not you, restore the address and set a new password.</p>'
        + _step("Restore the address")
        + "{% else %}<p>The operators of this service changed it. If this is wrong, contact them.</p>{% endif %}",
    ),
)


async def ensure_system_templates(reader: TemplateReader, writer: TemplateWriter) -> int:
    """Creates the ones that are missing or archived: without them password resets cannot be mailed. Never raises
    RenderingBusy.
    """
    codes = tuple(template.code for template in SYSTEM_TEMPLATES)
    there = (await reader.findings(TemplateQuestion(active=codes))).active
    for template in SYSTEM_TEMPLATES:
        if template.code not in there:
            with contextlib.suppress(TemplateExists):  # another replica has created it meanwhile
                await writer.create(template, COMMAND)
    return 0
