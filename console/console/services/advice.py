"""What a reason means, what to do about it and where, and whether another try can help.

In short what docs/operations/runbook.md, runbook-services.md and troubleshooting.md say.
"""

from dataclasses import dataclass
from typing import Literal

Place = Literal["user", "suppression", "template", "holds", "applications", "system"]


@dataclass(frozen=True, slots=True)
class Advice:
    """`again`: another try may succeed once the cause is removed. `place`: the page on which one removes it.

    `given`: what to do if the request named the recipient in `to`: then there is no user to correct.
    """

    meaning: str
    todo: str
    again: bool = True
    place: Place | None = None
    given: str = ""

    @property
    def for_all(self) -> str:
        """For many notifications, to users and to others."""
        if not self.given:
            return self.todo
        return f"{self.todo} Where the request named the recipient: {self.given[:1].lower()}{self.given[1:]}"


BAD_ADDRESS = "Correct the address at the user, then try again."
RIGHT_ADDRESS = "The caller has to send a new one, to the right address."
NEW_TOKEN = "The app registers the device again when it starts; then the caller sends a new one."  # noqa: S105 - prose
RIGHT_TOKEN = "The caller has to send a new one, to the token that the app has now."  # noqa: S105 - prose
RELEASE = "Release the hold; it goes on by itself."
ADVICE = {
    "bounced": Advice(
        "The mail came back: the address does not exist or refuses mail for good.",
        BAD_ADDRESS, again=False, place="user", given=RIGHT_ADDRESS,
    ),
    "complained": Advice(
        "The recipient marked it as unwanted, so the address gets no more mail.",
        "Send mail to the address again only if the recipient asks for it.", again=False, place="suppression",
    ),
    "dead": Advice(
        "The address or device no longer exists.", BAD_ADDRESS, again=False, place="user", given=RIGHT_ADDRESS
    ),
    "invalid_address": Advice(
        "The address is not one that mail can be sent to.",
        BAD_ADDRESS, again=False, place="user", given=RIGHT_ADDRESS,
    ),
    "no_recipient": Advice(
        "No address or device was left to send to.",
        "See which address and devices the user has.", again=False, place="user", given=RIGHT_ADDRESS,
    ),
    "invalid_token": Advice(
        "The device no longer exists: the app was removed, or registered anew.",
        NEW_TOKEN, again=False, place="user", given=RIGHT_TOKEN,
    ),
    "bad_device_token": Advice(
        "Apple does not know the token in the environment that was tried: it may belong to the other one.",
        "Compare the device's environment (see the user) with the app's build. The device was kept.",
    ),
    "invalid_keys": Advice(
        "The browser's keys are not valid.",
        "The page has to subscribe the browser again.", again=False, place="user", given="The page has to subscribe again.",
    ),
    "endpoint_refused": Advice(
        "The push service's host is not one that is allowed.", "Compare WEB_PUSH_HOSTS with the subscription's host."
    ),
    "sender_mismatch": Advice(
        "The device belongs to another project, key or app than ours.",
        "Compare the app's project with the service account (FCM), its key with VAPID's, or its bundle id with APNS_TOPIC.",
    ),
    "payload_too_large": Advice(
        "The message is larger than the provider allows.",
        "Shorten the template's title, body or data, then try again.", place="template",
    ),
    "rejected": Advice(
        "The provider refused the message for good, because of its content, its size or a policy.",
        "Change what its answer names, in the template or in the settings, then try again.", place="template",
    ),
    "render_failed": Advice(
        "The template does not fit the values that came with the notification.",
        "Correct the template, or activate an earlier version, then try again.", place="template",
    ),
    "template_gone": Advice("The template's version is no longer there.", "Create the template again, then try again."),
    "template_not_found": Advice("There was no such template.", "Create the template, then try again."),
    "template_version_not_found": Advice(
        "The template has no such version.", "Activate the version that is wanted, then try again.", place="template"
    ),
    "template_not_for_channel": Advice(
        "The template has no part for this channel.", "Add the part to the template, then try again.", place="template"
    ),
    "missing_variables": Advice(
        "The caller left out values that the template needs.",
        "Change the template so that it does without, then try again; or let the caller send a new notification.",
        place="template",
    ),
    "user_not_found": Advice(
        "There was no such user.", "The caller has to send a new one, to a user that exists.", again=False
    ),
    "attachment_gone": Advice("An attachment was deleted before.", "The caller has to send a new one.", again=False),
    "exhausted": Advice(
        "The provider said “not now” for longer than the tries last, or something failed again and again.",
        "When the provider works again, try a few, see them sent, then try the rest.", place="system",
    ),
    "invalid_sender": Advice(
        "The sender's address is not one that may be used.",
        "Correct FROM_EMAIL or the application's sender, then try again.", place="applications",
    ),
    "reported_failed": Advice(
        "The provider took it, and reported later that it failed.", "Look for the message in the provider's log."
    ),
    "simulated_bounce": Advice(
        "A test key asked for this failure.", "With a live key it is really sent.", again=False
    ),
    "held": Advice(
        "It is held. It was tried before, so it waits at its worker.", RELEASE, again=False, place="holds"
    ),
    "provider_held": Advice("The provider is held: workers do not call it.", RELEASE, again=False, place="holds"),
    "hold_cancelled": Advice(
        "It was held, and somebody cancelled the hold.",
        "The caller sends a new one if it is still wanted.", again=False, place="holds",
    ),
    "opted_out": Advice(
        "The user does not want this channel.", "Only the user decides to get it again.", again=False, place="user"
    ),
    "unsubscribed": Advice(
        "The user has unsubscribed from such mail.", "Only the user decides to get it again.", again=False, place="user"
    ),
    "no_push_token": Advice("The user has no device.", NEW_TOKEN, again=False, place="user"),
    "address_suppressed": Advice(
        "Mail to this address bounced or was unwanted before, so none is sent.",
        "If the address works again, an administrator removes it from the suppressed addresses; then the caller sends a new "
        "one.", again=False, place="suppression",
    ),
    "user_gone": Advice(
        "The user was deleted.", "If the person has a new account, the caller sends a new one there.", again=False
    ),
    "recipient_gone": Advice("The device was removed before its turn came.", NEW_TOKEN, again=False, place="user"),
    "background_unsupported": Advice(
        "Browsers show every message; this one has nothing to show.",
        "For browsers the caller gives it a title or a body.", again=False,
    ),
    "worker_lost": Advice(
        "A worker ended while it was sending.", "Look for the message in the provider's log before you try again."
    ),
    "unreadable": Advice(
        "A worker of another release could not read it.", "Upgrade the workers, then try again.", place="system"
    ),
    "key_lost": Advice(
        "Its values were encrypted with a key that is lost.", "The caller has to send a new one.", again=False
    ),
}  # fmt: skip
OTHERWISE = Advice(
    "It ended for a reason that this page has no words for.",
    "Look the reason up in the runbook and remove it, then try again.",
)


def advice_on(reason: str | None) -> Advice:
    return ADVICE.get(reason or "", OTHERWISE)
