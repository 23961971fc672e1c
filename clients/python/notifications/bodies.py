"""How bodies are put together."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic_core import to_json

T = TypeVar("T")


def given(**fields: Any) -> Mapping[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def chunks(items: Sequence[T], most: int, most_bytes: int) -> Iterator[Sequence[T]]:
    """Groups of at most `most` items whose JSON together has about `most_bytes` bytes; a larger item goes by itself."""
    chunk: list[T] = []
    size = 0
    for item in items:
        bytes_of_item = len(to_json(item))
        if chunk and (len(chunk) == most or size + bytes_of_item > most_bytes):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += bytes_of_item
    if chunk:
        yield chunk
