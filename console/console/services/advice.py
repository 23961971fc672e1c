"""What a reason means, what to do about it and where, and whether another try can help.

In short what docs/operations/runbook.md, runbook-services.md and troubleshooting.md say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from console.services.mail_codes import Kind, mail_code

Place = Literal["user", "suppression", "template", "holds", "applications", "system"]


@dataclass(frozen=True, slots=True)
class Advice:
    """`again`: another try may succeed once the cause is removed. `place`: the page on which one removes it.

    `given`: what to do if the request named the recipient in `to`: then there is no user to correct. `kind` and
    `title`: what tells it from other advice on the same reason.
    """

    meaning: str
    todo: str
    again: bool = True
    place: Place | None = None
    given: str = ""
    title: str = ""
    kind: Kind | Literal[""] = ""

    @property
    def for_all(self) -> str:
        """For many notifications, to users and to others."""
        if not self.given:
            return self.todo
        return f"{self.todo} Where the address came with the request: {self.given[:1].lower()}{self.given[1:]}"


BAD_ADDRESS = "Correct the address at the user, then try again."
SEND_ANEW = "The application that sent it has to send a new one"
RIGHT_ADDRESS = f"{SEND_ANEW}, to the right address."
NEW_TOKEN = "The app registers the device again when it starts; then the application sends a new one."  # noqa: S105 - prose
RIGHT_TOKEN = "The application has to send a new one, to the token that the app has now."  # noqa: S105 - prose
RELEASE = "Release the hold; it goes on by itself."
ADVICE = {
    "bounced": Advice(
        "The mail came back, and no code says why.",
        "See what the mail server answered. If the address is wrong, correct it at the user, then try again.",
        again=False, place="user", given="See what the mail server answered before you try again.", title="without a code",
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
    "too_large": Advice(
        "The mail is larger than the mail server allows.",
        "Shorten the template, or let the application leave out attachments, then try again.", place="template",
    ),
    "address_not_supported": Advice(
        "The address has characters that the mail server does not take.",
        BAD_ADDRESS, again=False, place="user", given=RIGHT_ADDRESS,
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
        "The application left out values that the template needs.",
        "Change the template so that it does without, then try again; or let the application send a new notification.",
        place="template",
    ),
    "user_not_found": Advice(
        "There was no such user.", f"{SEND_ANEW}, to a user that exists.", again=False
    ),
    "attachment_gone": Advice("An attachment was deleted before.", f"{SEND_ANEW}.", again=False),
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
        "It is held. It was tried before, so it waits in the workers' ledger.", RELEASE, again=False, place="holds"
    ),
    "provider_held": Advice("The provider is held: workers do not call it.", RELEASE, again=False, place="holds"),
    "hold_cancelled": Advice(
        "It was held, and somebody cancelled the hold.",
        "The application sends a new one if it is still wanted.", again=False, place="holds",
    ),
    "opted_out": Advice(
        "The user does not want this channel.", "Only the user decides to get it again.", again=False, place="user"
    ),
    "unsubscribed": Advice(
        "The user has unsubscribed from such mail.", "Only the user decides to get it again.", again=False, place="user"
    ),
    "no_push_token": Advice("The user has no device.", NEW_TOKEN, again=False, place="user"),
    "address_suppressed": Advice(
        "The address is on the suppression list: an earlier mail to it came back, or was unwanted, or somebody put it there.",
        "If the address works, an administrator removes it from the suppression list; then the application sends a new one. "
        "If it is wrong: correct it at the user.", again=False, place="suppression",
    ),
    "user_gone": Advice(
        "The user was deleted.", "If the person has a new account, the application sends a new one there.", again=False
    ),
    "recipient_gone": Advice("The device was removed before its turn came.", NEW_TOKEN, again=False, place="user"),
    "background_unsupported": Advice(
        "Browsers show every message; this one has nothing to show.",
        "For browsers the application gives it a title or a body.", again=False,
    ),
    "worker_lost": Advice(
        "A worker ended while it was sending.", "Look for the message in the provider's log before you try again."
    ),
    "unreadable": Advice(
        "A worker of another release could not read it.", "Upgrade the workers, then try again.", place="system"
    ),
    "key_lost": Advice(
        "Its values were encrypted with a key that is lost.", f"{SEND_ANEW}.", again=False
    ),
}  # fmt: skip
ASK_WHO_RUNS_THE_MAIL = (
    "Give the answer below to those who look after our sending: the address itself is not the problem."
)
BY_CODE: Mapping[tuple[str, Kind], Advice] = {
    ("bounced", "dead"): Advice(
        "The mail came back: the address does not exist, or takes no mail.",
        BAD_ADDRESS, again=False, place="user", given=RIGHT_ADDRESS, title="no such address", kind="dead",
    ),
    ("bounced", "full"): Advice(
        "The mail came back: the recipient's mailbox is full.",
        "The address is right. When the recipient has made room, try again.", title="mailbox full", kind="full",
    ),
    ("bounced", "size"): Advice(
        "The mail came back: it is too large for the recipient.",
        "Shorten the template, or let the application leave out attachments, then try again.",
        place="template", title="too large", kind="size",
    ),
    ("bounced", "policy"): Advice(
        "The mail came back: the recipient's mail server does not accept it (a rule, spam, SPF or DKIM).",
        f"{ASK_WHO_RUNS_THE_MAIL} Once that is mended, try again.", title="refused by a rule or as spam", kind="policy",
    ),
    ("bounced", "sender"): Advice(
        "The mail came back: our sender's address was refused.",
        "Correct FROM_EMAIL or the application's sender, then try again.",
        place="applications", title="our sender refused", kind="sender",
    ),
    ("bounced", "later"): Advice(
        "The mail came back: the recipient's mail server took no mail for too long.",
        "The address may well be right. Try again later.", title="server not reached", kind="later",
    ),
    ("exhausted", "full"): Advice(
        "The recipient's mailbox was full for longer than the tries last.",
        "The address is right. When the recipient has made room, try again.", title="mailbox full", kind="full",
    ),
    ("rejected", "policy"): Advice(
        "The recipient's mail server does not accept it (a rule, spam, SPF or DKIM).",
        f"{ASK_WHO_RUNS_THE_MAIL} Once that is mended, try again.", title="by a rule or as spam", kind="policy",
    ),
}  # fmt: skip
OTHERWISE = Advice(
    "It ended for a reason that this page has no words for.",
    "Look the reason up in the runbook and remove it, then try again.",
)


def advice_on(reason: str | None, said: str | None = None) -> Advice:
    """`said`: what the mail server answered. Its code tells a full mailbox from an address that does not exist."""
    code = mail_code(said)
    of_code = BY_CODE.get((reason or "", code.kind)) if code else None
    return of_code or ADVICE.get(reason or "", OTHERWISE)


TOLD_APART = frozenset(reason for reason, _ in BY_CODE)


def advice_of_kind(reason: str, kind: Kind | Literal[""]) -> Advice:
    return BY_CODE[reason, kind] if kind and (reason, kind) in BY_CODE else advice_on(reason)
