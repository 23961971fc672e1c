"""Secrets that somebody could guess: production refuses them. What people write instead of random text is looked for, no
more: nothing here measures entropy.
"""

from collections import Counter
from itertools import pairwise

MINIMUM_KEY_BYTES = 32  # RFC 7518, 3.2: at least as long as the hash
DIFFERENT_CHARACTERS = 8  # of sixteen in a random key in hex of 32 bytes hardly ever fewer than fourteen
MINIMUM_PASSWORD = 12  # characters; `make env` and RabbitMQ's operator write 32 or more
EMBEDDED_KEY_PREFIX = "development-only-"  # keys that start so are printed in public files: never for production


def is_weak_key(key: str) -> bool:
    """Too short, printed in a public file, of hardly any different characters, or of a pattern."""
    return (
        len(key.encode()) < MINIMUM_KEY_BYTES
        or key.startswith(EMBEDDED_KEY_PREFIX)
        or len(set(key)) < DIFFERENT_CHARACTERS
        or _is_of_a_pattern(key)
    )


def is_weak_password(user: str, password: str) -> bool:
    """The user's name, too short (as those are that servers come with), or of a pattern."""
    return password == user or len(password) < MINIMUM_PASSWORD or _is_of_a_pattern(password)


def _is_of_a_pattern(text: str) -> bool:
    """One piece again and again (`changeme-changeme-`), or mostly of equal steps (`aaaa`, `abcd`, `9876`)."""
    steps = Counter(ord(after) - ord(before) for before, after in pairwise(text))
    return text in (text + text)[1:-1] or 2 * max(steps.values()) > len(text)
