"""Batches of tiny jobs, with a toy model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from vedit.batches.configs import BatchJob, read_batch
from vedit.config.merge import Layer

Write = Callable[..., Path]
Read = Callable[..., tuple[list[BatchJob], list[str]]]
Good = Callable[..., list[BatchJob]]


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


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the files a.mp4, b.mp4 and c.wav, of which a jobs file need know no more than names."""
    folder = tmp_path / "here"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4", "c.wav"):
        (folder / name).touch()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def read(here: Path) -> Read:
    """Write a jobs file and read it; the outputs would go into "out": ``read("jobs: ...", "j.yaml", seed=1)``.

    Keywords are settings over those of the file, as --set gives them. Gives the jobs and the faults.
    """

    def written(text: str | bytes, name: str = "j.yaml", **changed: object) -> tuple[list[BatchJob], list[str]]:
        path = here / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_batch(path, here / "out", Layer(changed, lambda key: f"--set {key}"))

    return written


@pytest.fixture
def good(read: Read) -> Good:
    """The jobs of a file that has no faults; arguments as ``read``."""

    def sound(text: str | bytes, name: str = "j.yaml", **changed: object) -> list[BatchJob]:
        jobs, faults = read(text, name, **changed)
        assert faults == []
        return jobs

    return sound
