"""Every configuration file can be read, and says nothing twice: parsers that take the later of two say nothing themselves."""

import configparser
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import pytest
import yaml

from tests.test_documents import ROOT, repository


class _StrictLoader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        _refuse_doubles(keys)
        return super().construct_mapping(node, deep)


_StrictLoader.add_constructor("tag:yaml.org,2002:map", lambda loader, node: loader.construct_mapping(node, deep=True))


def _refuse_doubles(keys: Sequence[str]) -> None:
    doubles = [key for key, times in Counter(keys).items() if times > 1]
    assert doubles == []


def _read_yaml(text: str) -> None:
    for _ in yaml.load_all(text, _StrictLoader):
        pass


def _read_json(text: str) -> None:
    def pairs(given: list[tuple[str, Any]]) -> dict[str, Any]:
        _refuse_doubles([key for key, _ in given])
        return dict(given)

    json.loads(text, object_pairs_hook=pairs)


def _read_ini(text: str) -> None:
    configparser.RawConfigParser(strict=True).read_string(text)


def _read_assignments(text: str) -> None:
    """`NAME=value` and `name = value` lines: .env files, rabbitmq.conf."""
    lines = [line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    assert [line for line in lines if not re.match(r"[\w.]+ ?= ?", line)] == []
    _refuse_doubles([line.split("=")[0].strip() for line in lines])


READERS: Mapping[str, Callable[[str], object]] = {
    ".yml": _read_yaml,
    ".yaml": _read_yaml,
    ".json": _read_json,
    ".toml": tomllib.loads,
    ".ini": _read_ini,
    ".conf": _read_assignments,
    ".example": _read_assignments,
}
FILES = sorted(name for name in repository() if PurePath(name).suffix in READERS and (ROOT / name).is_file())


def test_all_kinds_are_looked_at() -> None:
    assert {PurePath(name).suffix for name in FILES} == set(READERS)


@pytest.mark.parametrize("name", FILES)
def test_the_file_can_be_read_and_says_nothing_twice(name: str) -> None:
    READERS[PurePath(name).suffix]((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (".yml", "a:\n  b: 1\n  c: 2\n  b: 3\n"),
        (".json", '{"a": {"b": 1, "b": 2}}'),
        (".toml", "a = 1\na = 2\n"),
        (".ini", "[alembic]\nprepend_sys_path = x\nprepend_sys_path = x\n"),
        (".conf", "a.b = 1\na.b = 2\n"),
        (".example", "A=1\nB=2\nA=\n"),
    ],
)
def test_something_said_twice_is_found(kind: str, text: str) -> None:
    with pytest.raises((AssertionError, ValueError, configparser.Error)):
        READERS[kind](text)
