"""Proving that one reads the mail of an address."""

from typing import Annotated

from pydantic import BaseModel, StringConstraints

from contracts.addresses import Email
from user_service.schemas.examples import shown
from user_service.schemas.fields import NewPassword

TOKEN = "q3NyZT0tYmVlcy1hcmUtbm90LWJpcmRzLW5vci1maXNo"  # noqa: S105 - an example
# Blanks and line ends around it come from copying it out of a mail.
MailedTokenText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class PasswordResetRequest(BaseModel):
    model_config = shown({"email": "john@example.com"})

    email: Email


class MailedTokenGiven(BaseModel):
    model_config = shown({"token": TOKEN})

    token: MailedTokenText


class NewPasswordByToken(BaseModel):
    model_config = shown({"token": TOKEN, "password": "n3w-Secret-Pass"})

    token: MailedTokenText
    password: NewPassword
