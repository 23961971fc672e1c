"""The users of the unguarded pipeline: one row by its id over plain HTTP. No token, no cache, no breaker."""

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import asyncpg
from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel

from bench.baselines.serving import serve
from bench.database import Database

TABLE = """CREATE TABLE people (id uuid PRIMARY KEY, name text, email text, language text, wants_email bool,
    wants_push bool, push_token text)"""
ROWS = """INSERT INTO people
    SELECT id, 'Ada ' || i, 'ada.' || i || '@example.com', 'en', true, true, 'device-' || md5(id::text)
    FROM unnest($1::uuid[]) WITH ORDINALITY AS given (id, i)"""
FIND = "SELECT id, name, email, language, wants_email, wants_push, push_token FROM people WHERE id = $1"


class Person(BaseModel):
    """A user's contact data and preferences."""

    id: UUID
    name: str
    email: str
    language: str
    wants_email: bool
    wants_push: bool
    push_token: str


def fill(database: Database, ids: Sequence[str]) -> None:
    """Fills the table with a row for each of `ids`."""
    database.rows(TABLE)
    database.rows(ROWS, ids)
    database.rows("VACUUM (FREEZE, ANALYZE) people")


@contextlib.asynccontextmanager
async def connected(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        os.environ["DATABASE_URL"].replace("+asyncpg", ""), min_size=10, max_size=10
    ) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=connected)


@app.get("/users/{user_id}")
async def find(user_id: UUID, request: Request) -> Person:
    row = await request.app.state.pool.fetchrow(FIND, user_id)
    if row is None:
        raise HTTPException(404)
    return Person(**row)


if __name__ == "__main__":
    serve(app)
