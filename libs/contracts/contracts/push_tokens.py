"""The question of the user service to a push worker about a token, before the token is registered."""

from typing import Final

from contracts.recipients import Contract
from contracts.users import PushTokenText

# The verdicts. A reader treats an unknown one as NO_VERDICT.
VALID: Final = "valid"
INVALID_TOKEN: Final = "invalid_token"  # noqa: S105 - FCM knows no device with this token
SENDER_MISMATCH: Final = "sender_mismatch"  # the device belongs to another Firebase project
NO_VERDICT: Final = "unknown"  # FCM could not be asked, or gave no clear answer


class PushTokenQuestion(Contract):
    """Body of `POST /internal/push-tokens/validate`: an FCM registration token."""

    token: PushTokenText


class PushTokenFinding(Contract):
    verdict: str
