"""The tables of this service's own database."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, ForeignKeyConstraint, Identity, MetaData, Text, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.audit import AuditColumns

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)


# A template has languages; a language has versions, of which one is active.
#
# A version is written once and never changed or deleted: messages in flight name it by code, language and number.


class Template(Base):
    """`archived_at` is set while the template is archived. The row keeps the code, so that version numbers continue."""

    __tablename__ = "templates"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    code: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, server_default="")
    default_language: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    archived_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class TemplateLanguage(Base):
    """`latest_version` is the highest version number; without an `active_version` the language is not in use."""

    __tablename__ = "template_languages"

    template_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(Template.id), primary_key=True)
    language: Mapped[str] = mapped_column(Text, primary_key=True)
    latest_version: Mapped[int]
    active_version: Mapped[int | None]


class TemplateVersion(Base):
    """The parts as they are rendered; "" is an absent part. `content` is what the author wrote where `html` was compiled
    from it, else null; `written` is what the author wrote in the other parts that use snippets. The other columns were
    computed when the version was saved. `snippets` are the versions of the snippets that were put in, by name;
    `content_format` is null where an earlier release wrote the row.

    `channels` are the channels that the author chose; empty means all channels that the parts serve. `required` are the
    variables that the served channels need together; `required_by_channel` and `push_size` (`contracts.templates`) are
    empty where an earlier release wrote the row (see `services.compiling`).
    """

    __tablename__ = "template_versions"
    __table_args__ = (
        ForeignKeyConstraint(["template_id", "language"], [TemplateLanguage.template_id, TemplateLanguage.language]),
    )

    template_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    language: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subject: Mapped[str] = mapped_column(Text)
    html: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    image: Mapped[str] = mapped_column(Text)
    link: Mapped[str] = mapped_column(Text)
    content: Mapped[str | None] = mapped_column(Text)
    content_format: Mapped[str | None] = mapped_column(Text)
    written: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    snippets: Mapped[dict[str, int]] = mapped_column(JSONB, server_default="{}")
    preheader: Mapped[str] = mapped_column(Text, server_default="")
    purpose: Mapped[str] = mapped_column(Text, server_default="")
    sender: Mapped[dict[str, str | None] | None] = mapped_column(JSONB(none_as_null=True))
    inline_css: Mapped[bool] = mapped_column(server_default="false")
    warnings: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    link_schemes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    required: Mapped[list[str]] = mapped_column(ARRAY(Text))
    required_by_channel: Mapped[dict[str, list[str]]] = mapped_column(JSONB, server_default="{}")
    push_size: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    serves_email: Mapped[bool]
    serves_push: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class SnippetRow(Base):
    """The latest version is the one that is used. `archived_at` is set while no template may use it."""

    __tablename__ = "snippets"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    description: Mapped[str] = mapped_column(Text, server_default="")
    latest_version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    archived_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class SnippetVersion(Base):
    """Written once and never changed."""

    __tablename__ = "snippet_versions"

    snippet_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(SnippetRow.id), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    content: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class AuditEvent(AuditColumns, Base):
    """Written in the transaction of the change; never changed afterwards."""

    __tablename__ = "template_audit_events"
