"""A hundred thousand users, created with SQL, and the order in which load uses them.

One user signs up in the normal way. The others are copies of that user's rows, in all columns, with an id, a name, an
address and a device of their own. A new column needs no change here unless it has to be unique.
"""

import random
from collections.abc import Sequence
from enum import Enum
from uuid import UUID

from bench.database import Database
from bench.rows import ID

APART = 5_000  # more users, for load that must not use the users that other load has put into caches


class Users(Enum):
    """The number of users that a case sends to. COLD users are in no cache; HOT users are soon in all caches."""

    COLD = 100_000
    HOT = 50


COPY = f"""
WITH person AS (
    INSERT INTO users SELECT copy.* FROM users AS model
    CROSS JOIN LATERAL (
        SELECT i, now() - make_interval(secs => $2 - i) AS at, md5('user' || i) AS hash,
            'ada.' || i || '@example.com' AS address
        FROM generate_series(1, $2::int) AS i
    ) AS new
    CROSS JOIN LATERAL jsonb_populate_record(model, jsonb_build_object(
        'id', {ID}, 'name', 'Ada ' || i, 'email', address, 'email_key', address, 'created_at', at, 'updated_at', at
    )) AS copy
    WHERE model.id = $1
    RETURNING id
)
INSERT INTO user_push_tokens SELECT copy.* FROM user_push_tokens AS model
CROSS JOIN person
CROSS JOIN LATERAL jsonb_populate_record(model, jsonb_build_object(
    'id', gen_random_uuid(), 'user_id', person.id, 'token', 'device-' || replace(gen_random_uuid()::text, '-', '')
)) AS copy
WHERE model.user_id = $1
RETURNING user_id::text
"""  # noqa: S608 - the piece is ours


def populate(database: Database, model: UUID, number: int) -> list[str]:
    """Creates `number` users in the user service's `database`, each like `model`, who has one device. Returns their ids."""
    made = [row["user_id"] for row in database.rows(COPY, model, number)]
    if len(made) != number:
        raise RuntimeError(f"{len(made)} users with a device were made instead of {number}")
    database.rows("VACUUM (FREEZE, ANALYZE)")  # so that no case uses it
    return made


class Walk:
    """Users in a shuffled order that is always the same. After the last user the first one follows again."""

    def __init__(self, users: Sequence[str]) -> None:
        self._order = random.Random(7).sample(users, len(users))
        self._drawn = 0

    def take(self, number: int) -> list[str]:
        """The next `number` users, or all of them once if there are fewer: load then repeats them itself."""
        taken = self.ahead(number)
        self.pass_by(number)
        return taken

    def ahead(self, number: int | None = None) -> list[str]:
        """The next `number` users (or all), without advancing."""
        start = self._drawn % len(self._order)
        return (self._order[start:] + self._order[:start])[:number]

    def pass_by(self, number: int) -> None:
        """Advances by that many users."""
        self._drawn += number

    @property
    def repeated(self) -> int:
        """How many uses were of users that had been used before."""
        return max(0, self._drawn - len(self._order))
