"""Folders that a test may spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, sd1: Path) -> Path:
    """A copy of the SD 1.5 toy, to be spoilt."""
    return Path(shutil.copytree(sd1, tmp_path / "model"))
