"""Second factors."""

from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from chassis.fields import Text
from user_service.schemas.examples import shown
from user_service.schemas.fields import GivenPassword

# Six digits, or a recovery code; apps and people put blanks around them.
TotpCode = Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]


class TotpRequest(BaseModel):
    model_config = shown({"current_password": "SecurePass123!"})

    current_password: GivenPassword


class TotpSecretView(BaseModel):
    """For an authenticator app: `uri` as a QR code, or `secret` typed in. Shown once."""

    model_config = shown(
        {
            "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
            "uri": "otpauth://totp/Notifications:ada%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Notifications",
        }
    )

    secret: str
    uri: str


class TotpConfirmation(BaseModel):
    model_config = shown({"code": "492039"})

    code: TotpCode


class RecoveryCodesView(BaseModel):
    """Each stands for one code when the device is lost. Shown once."""

    model_config = shown({"recovery_codes": ["mfrg-gzdf-mztw-q2lk"] * 2})

    recovery_codes: list[str]


class TotpRemoval(BaseModel):
    """What one needs to remove one's own; another administrator needs nothing."""

    model_config = shown({"current_password": "SecurePass123!", "code": "492039"})

    current_password: GivenPassword | None = None
    code: TotpCode | None = Field(default=None, description="A one-time code or a recovery code")
