"""Two stacks on one data folder would deliver each other's notifications."""

import os
from pathlib import Path

import pytest

from devstack.plan import StackError
from devstack.postgres import sole_use


def test_a_folder_in_use_is_refused_with_whose_it_is_and_free_afterwards(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with (
        sole_use(data),
        pytest.raises(StackError, match=f"in use by a running stack .process {os.getpid()}.") as refused,
        sole_use(data),
    ):
        pytest.fail("two at once")
    assert "--data DIR" in str(refused.value)
    with sole_use(data):
        pass
