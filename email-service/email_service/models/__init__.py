"""The e-mail service's tables: the delivery ledger and the suppression list."""

from email_service.models.tables import Base, EmailSuppression

__all__ = ["Base", "EmailSuppression"]
