"""A hundred thousand users, made by SQL, and the order in which load draws them.

One person signs up as everybody does. The others are copies of that person's rows, whatever columns these have, with an
id, a name, an address and a device of their own: a new column needs no change here, unless it has to be unique, too.
"""

import random
from collections.abc import Sequence
from enum import Enum
from uuid import UUID

from bench.database import Database
from bench.rows import ID

APART = 5_000  # more users, for load that must not meet those whom other load has just made known


class Users(Enum):
    """How many different ones a case sends to: the COLD are in no cache, the HOT soon in all of them."""

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
    """The ids of `number` new users of the user service's `database`, each like `model`, who has one device."""
    made = [row["user_id"] for row in database.rows(COPY, model, number)]
    if len(made) != number:
        raise RuntimeError(f"{len(made)} users with a device were made instead of {number}")
    database.rows("VACUUM (FREEZE, ANALYZE)")  # so that no case meets it
    return made


class Walk:
    """Users in a shuffled order, always the same: one after the other, and after the last the first again."""

    def __init__(self, users: Sequence[str]) -> None:
        self._order = random.Random(7).sample(users, len(users))
        self._drawn = 0

    def take(self, number: int) -> list[str]:
        """The next `number`, or all once when there are fewer: load then goes round among them itself."""
        taken = self.ahead(number)
        self.pass_by(number)
        return taken

    def ahead(self, number: int | None = None) -> list[str]:
        """The next `number` (of all, unless it is given), whose turn it still is afterwards."""
        start = self._drawn % len(self._order)
        return (self._order[start:] + self._order[:start])[:number]

    def pass_by(self, number: int) -> None:
        """So many of those ahead have had their turn."""
        self._drawn += number

    @property
    def repeated(self) -> int:
        """How many turns went to users who had had one before."""
        return max(0, self._drawn - len(self._order))
