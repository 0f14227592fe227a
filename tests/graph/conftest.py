"""A session of small numbers, and a store that is empty."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.graph.toys import Session
from vedit.graph import Store


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path / "diary")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
