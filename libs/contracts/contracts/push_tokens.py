"""What the user service asks a push worker about a token before it registers it."""

from typing import Final

from contracts.recipients import Contract
from contracts.users import PushTokenText

# The verdicts. A reader takes a word that it does not know for UNKNOWN.
VALID: Final = "valid"
INVALID_TOKEN: Final = "invalid_token"  # noqa: S105 - FCM knows no device with this token
SENDER_MISMATCH: Final = "sender_mismatch"  # the device belongs to another Firebase project
UNKNOWN: Final = "unknown"  # FCM could not be asked, or gave no clear answer


class PushTokenQuestion(Contract):
    """Body of `POST /internal/push-tokens/validate`: an FCM registration token."""

    token: PushTokenText


class PushTokenFinding(Contract):
    verdict: str
