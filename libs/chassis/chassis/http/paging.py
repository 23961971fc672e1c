"""Query parameters of lists that are read page by page."""

from pydantic import BaseModel, ConfigDict, Field


class PageQuery(BaseModel):
    """Subclasses add filters. Unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid")

    page: int = Field(default=1, ge=1, le=1_000_000)
    limit: int = Field(default=20, ge=1, le=100)

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit
