"""Commands for a terminal that do what the page does."""

from shlex import quote


def lookup(gateway: str, notification_id: str, *, by_key: bool) -> str:
    header = "X-API-Key: $TOKEN" if by_key else "Authorization: Bearer $TOKEN"
    return f'curl -s {quote(f"{gateway}/api/v1/notifications/{notification_id}")} -H "{header}"'
