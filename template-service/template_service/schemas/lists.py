"""What can be asked for in the query."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chassis.fields import Text
from contracts.languages import Language
from contracts.recipients import Channel
from template_service.repositories.templates import Filter
from template_service.schemas.fields import VersionNumber
from template_service.services.reading import Slice


class PageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    page: int = Field(default=1, ge=1, le=1_000_000)
    limit: int = Field(default=20, ge=1, le=100)

    @property
    def slice(self) -> Slice:
        return Slice(self.limit, (self.page - 1) * self.limit)


class TemplatesQuery(PageQuery):
    search: Annotated[Text, Field(max_length=100)] | None = Field(
        default=None, description="Part of the code, name or description"
    )
    language: Language | None = Field(default=None, description="Those that exist in exactly this language")
    channel: Channel | None = Field(default=None, description="Those that serve this channel")

    @property
    def filter(self) -> Filter:
        return Filter(self.search, self.language, self.channel)


class VersionsQuery(PageQuery):
    language: Language | None = Field(default=None, description="The closest one there is, else the default language")


class LanguageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    language: Language | None = None


class VersionQuery(LanguageQuery):
    version: VersionNumber | None = None
