"""What the user and template services answer on their internal routes, and the keys under which answers are cached."""

from datetime import datetime
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from pydantic import Field

from chassis.security import Sender
from contracts.messages import StatusEvent, TemplateRef
from contracts.recipients import Channel, Contract, EmailRecipient, Preferences, PushRecipient, PushToken

# Names of the Redis keys ("<name>:<key>"): the readers fill them, the owner deletes them on write.
USER_CACHE = "user"
TEMPLATE_CACHE = "template"
TEMPLATE_VERSION_CACHE = "template_version"

# The names that services have for each other: who signed a token, and for whom.
API_GATEWAY: Final = "api-gateway"
USER_SERVICE: Final = "user-service"
TEMPLATE_SERVICE: Final = "template-service"
EMAIL_SERVICE: Final = "email-service"
PUSH_SERVICE: Final = "push-service"
SERVICES = (API_GATEWAY, USER_SERVICE, TEMPLATE_SERVICE, EMAIL_SERVICE, PUSH_SERVICE)
API_KEY_READERS = (API_GATEWAY, TEMPLATE_SERVICE)  # they keep copies of identities (chassis.security.api_key_cache)

NO_APPLICATION = UUID(int=0)

# How many are asked for at once.
MAX_USER_QUESTION = 1_000  # a whole batch of strangers
MAX_TEMPLATE_QUESTION = 1_000
MAX_WHOLE_TEMPLATES = 20  # each may have a megabyte
MAX_LEDGER_QUESTION = 1_000


class UserContact(Contract):
    """How to reach a user, and what they want to hear. A contact is sent to by the application that brought it alone:
    `application_id`, which is NO_APPLICATION where that was deleted.
    """

    id: UUID
    name: str
    email: str
    language: str | None = None
    preferences: Preferences
    push_tokens: tuple[PushToken, ...] = ()
    application_id: UUID | None = None

    @cached_property
    def by_email(self) -> EmailRecipient:
        return EmailRecipient(name=self.name, email=self.email)

    @cached_property
    def by_push(self) -> PushRecipient:
        """Raises ValidationError without tokens."""
        return PushRecipient(name=self.name, push_tokens=self.push_tokens)


class UserQuestion(Contract):
    """Body of `POST /internal/users/find`: who are these?"""

    ids: tuple[UUID, ...] = Field(max_length=MAX_USER_QUESTION)


class UserFindings(Contract):
    """The answer: a `UserContact` under each id that is known. They are read one by one, so that each counts for itself."""

    users: dict[str, dict[str, Any]]


class TemplateInfo(Contract):
    """One immutable version in one language, and what it needs.

    `required` are the names (dotted paths) of the variables without which it cannot be rendered for all of its channels,
    `required_by_channel` those of each one. A template service of the release before says nothing of the latter.
    """

    code: str
    version: int
    language: str
    required: tuple[str, ...] = ()
    required_by_channel: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    serves_email: bool
    serves_push: bool
    subject: str = ""
    html: str = ""
    text: str = ""
    title: str = ""
    body: str = ""
    image: str = ""
    link: str = ""
    link_schemes: tuple[str, ...] = ()

    @property
    def outline(self) -> "TemplateInfo":
        """Without the parts: what is asked of a template before it is rendered."""
        return TemplateInfo(
            code=self.code,
            version=self.version,
            language=self.language,
            required=self.required,
            required_by_channel=self.required_by_channel,
            serves_email=self.serves_email,
            serves_push=self.serves_push,
        )

    def required_for(self, channel: Channel) -> tuple[str, ...]:
        """Those of all channels where the ones of this channel are not known."""
        return self.required_by_channel.get(channel, self.required)


class ActiveTemplate(Contract):
    """What is active now in every language, without the parts.

    Cached whole under `code`: one write invalidates all languages at once. `contracts.languages.choose_language` picks.
    """

    code: str
    default_language: str
    languages: dict[str, TemplateInfo]


class TemplateQuestion(Contract):
    """Body of `POST /internal/templates/find`.

    `active` are codes; `outlines` and `whole` are versions, active or not, without and with their parts.
    """

    active: tuple[str, ...] = Field(default=(), max_length=MAX_TEMPLATE_QUESTION)
    outlines: tuple[TemplateRef, ...] = Field(default=(), max_length=MAX_TEMPLATE_QUESTION)
    whole: tuple[TemplateRef, ...] = Field(default=(), max_length=MAX_WHOLE_TEMPLATES)


class TemplateFindings(Contract):
    """The answer, what is known: an `ActiveTemplate` under each code, a `TemplateInfo` under each version's name.

    A version's name is the text of its `TemplateRef`.
    """

    active: dict[str, dict[str, Any]]
    outlines: dict[str, dict[str, Any]]
    whole: dict[str, dict[str, Any]]


class LedgerTotals(Contract):
    """`GET /internal/ledger?first=&last=` of a channel's worker: its ledger's rows for ids from `first` up to `last`.

    Ids are time-ordered, so two of them bound a time. `sent` counts notifications that went to at least one recipient,
    `deliveries` counts rows by state. `fingerprint` is the sum of PostgreSQL's `uuid_hash_extended(id, 0)` over the ids of
    what was sent, as decimal text: equal only where the same notifications are meant.
    """

    sent: int
    fingerprint: str
    deliveries: dict[str, int]


class LedgerQuestion(Contract):
    """Body of `POST /internal/ledger/find`: what has become of these notifications?"""

    ids: tuple[UUID, ...] = Field(max_length=MAX_LEDGER_QUESTION)


class LedgerFindings(Contract):
    """The answer: the end of each of them that has one, as the worker reported it, and the ids of those still under way.

    The ledger knows nothing of an id that is in neither.
    """

    ended: tuple[StatusEvent, ...] = ()
    open: tuple[UUID, ...] = ()


class ApiKeyInfo(Contract):
    """`POST /internal/api-keys/find` with a key's hash: whose it is and what it may do."""

    id: UUID
    user_id: UUID
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None
    application_id: UUID | None = None
    rate_limit: int | None = None
    channels: tuple[Channel, ...] | None = None
    test: bool = False
    sender: Sender | None = None


def first_id_of(instant: datetime) -> UUID:
    """The smallest id that a notification accepted at `instant` can have: ids are UUIDs of version 7 (RFC 9562, 5.7)."""
    return UUID(int=int(instant.timestamp() * 1000) << 80)
