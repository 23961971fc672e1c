"""Files for an e-mail."""

import base64
import mimetypes

from notifications.requests.notifications import Attachment


def attachment(filename: str, content: bytes, *, content_type: str | None = None) -> Attachment:
    """A file for `email={"attachments": [...]}`. The type is guessed from the name if it is not given."""
    kind = content_type or mimetypes.guess_type(filename)[0] or "application/octet-stream"
    return {"filename": filename, "content": base64.b64encode(content).decode(), "content_type": kind}
