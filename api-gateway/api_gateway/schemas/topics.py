"""FCM's topics and conditions, in the forms that FCM accepts.

Source: firebase.google.com/docs/cloud-messaging/topic-messaging
"""

import re

TOPIC = r"[a-zA-Z0-9\-_.~%]{1,900}"
MAX_CONDITION = 5_000
MAX_TOPICS = 5
MAX_PARENTHESES = 20
_PART = re.compile(rf"\s*(?:('{TOPIC}'\s+in\s+topics\b)|(&&|\|\||!|\(|\)))\s*")


def checked_condition(condition: str) -> str:
    """Returns the condition. Raises ValueError unless it is one with at most five topics."""
    parts = _parts(condition)
    topics = sum(part == "topic" for part in parts)
    if topics > MAX_TOPICS:
        raise ValueError(f"may name at most {MAX_TOPICS} topics, and names {topics}")
    depth, operand_next = 0, True
    for part in parts:
        expected = {"topic", "!", "("} if operand_next else {"&&", "||", ")"}
        depth += {"(": 1, ")": -1}.get(part, 0)
        if part not in expected or not 0 <= depth <= MAX_PARENTHESES:
            raise ValueError(_WRONG)
        operand_next = part not in {"topic", ")"}
    if operand_next or depth:
        raise ValueError(_WRONG)
    return condition


_WRONG = "is no condition such as 'news' in topics && ('sport' in topics || 'weather' in topics)"


def _parts(condition: str) -> list[str]:
    """The operators as they are, and the word `topic` for each topic."""
    parts, at = [], 0
    while at < len(condition):
        found = _PART.match(condition, at)
        if found is None:
            raise ValueError(_WRONG)
        parts.append("topic" if found[1] else found[2])
        at = found.end()
    return parts
