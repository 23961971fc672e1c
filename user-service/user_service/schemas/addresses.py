"""E-mail addresses: exactly one, and when two are the same one."""

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

LONGEST = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets


def normalized(text: str) -> str:
    """The one addr-spec in `text`, the domain in lower case, as its owner writes it otherwise.

    Raises ValueError for a list, a display name, a domain without a dot. `.test` domains pass: they are for trying out.
    """
    return _parsed(text).normalized


def address_key(email: str) -> str:
    """Equal for addresses that differ in case only, or in how an internationalised domain is written."""
    parsed = _parsed(email)
    return f"{parsed.local_part.casefold()}@{(parsed.ascii_domain or parsed.domain).lower()}"


def _parsed(text: str) -> ValidatedEmail:
    try:
        return validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
