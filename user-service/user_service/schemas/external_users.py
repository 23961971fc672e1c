"""Request and response models of contacts: users without a password, added by an application."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from contracts.addresses import Email
from contracts.fields import Language, Name
from user_service.repositories.external_users import WrittenContact
from user_service.repositories.users import StoredUser
from user_service.schemas.fields import ExternalId, shown
from user_service.schemas.push_tokens import GivenPushToken
from user_service.schemas.users import ID, USER, PreferencesChange, UserView

MAX_CONTACTS = 1_000
CONTACT = {**USER, "external_id": "customer-17", "contact": True, "email_verified": False}


class ContactRequest(BaseModel):
    """A contact: a person who only receives notifications. Omitted fields, such as preferences, stay unchanged."""

    model_config = shown({"name": "Ada Lovelace", "email": "ada@example.com", "language": "en"})

    name: Name
    email: Email
    language: Language | None = None
    preferences: PreferencesChange = Field(default_factory=PreferencesChange)
    push_token: GivenPushToken | None = None


class BulkContact(BaseModel):
    model_config = shown({"external_id": "customer-17", "name": "Ada Lovelace", "email": "ada@example.com"})

    external_id: ExternalId
    name: Name
    email: Email
    language: Language | None = None
    preferences: PreferencesChange = Field(default_factory=PreferencesChange)


def _each_once(contacts: list[BulkContact]) -> list[BulkContact]:
    seen: set[str] = set()
    for contact in contacts:
        if contact.external_id in seen:
            raise ValueError(f"names {contact.external_id} twice")
        seen.add(contact.external_id)
    return contacts


class BulkRequest(BaseModel):
    """Contacts to write. Either all of them are written or none. Omitted fields stay unchanged."""

    model_config = shown(
        {"contacts": [{"external_id": "customer-17", "name": "Ada Lovelace", "email": "ada@example.com"}]}
    )

    contacts: Annotated[list[BulkContact], Field(min_length=1, max_length=MAX_CONTACTS), AfterValidator(_each_once)]


class ContactsQuestion(BaseModel):
    """The contacts to look up. An id that is named twice is looked up once."""

    model_config = shown({"external_ids": ["customer-17", "customer-18"]})

    external_ids: list[ExternalId] = Field(min_length=1, max_length=MAX_CONTACTS)


class FoundContactsView(BaseModel):
    """`contacts` have the order of the question. `not_found` are the ids that the application has no contact for."""

    model_config = shown({"contacts": [CONTACT], "not_found": ["customer-18"]})

    contacts: list[UserView]
    not_found: list[str]

    @classmethod
    def from_found(cls, asked: list[str], found: Mapping[str, StoredUser]) -> "FoundContactsView":
        return cls(
            contacts=[UserView.from_stored(user) for user in found.values()],
            not_found=[external_id for external_id in dict.fromkeys(asked) if external_id not in found],
        )


class WrittenContactView(BaseModel):
    """`id` is the user id to send notifications to."""

    model_config = shown({"external_id": "customer-17", "id": ID, "created": True})

    external_id: str
    id: UUID
    created: bool

    @classmethod
    def from_written(cls, written: WrittenContact) -> "WrittenContactView":
        return cls(external_id=written.external_id or "", id=written.id, created=written.created)
