"""Batches of tiny jobs, with a toy model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

Write = Callable[..., Path]


@pytest.fixture
def write_batch(toy_model: Path, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a jobs file of tiny edits into an empty folder, the current one: ``write_batch(prompt=["a", "b"])``.

    Keywords are axes; ``jobs`` are further jobs, beside the product.
    """
    monkeypatch.chdir(tmp_path)

    def write(*, jobs: list[dict[str, object]] | None = None, **axes: list[object]) -> Path:
        defaults = {"model": str(toy_model), "clip": str(toy_clip), "frames": 2, "steps": 2, "device": "cpu"}
        made = [{"product": axes}] if axes else []
        path = Path("looks.yaml")
        path.write_text(yaml.safe_dump({"defaults": defaults, "jobs": [*made, *(jobs or [])]}))
        return path

    return write
