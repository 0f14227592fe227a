"""What a wheel takes along beside the code."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_every_file_of_an_embedded_model_is_taken(sd1: Path, tmp_path: Path) -> None:
    weights = Path(shutil.copytree(sd1, tmp_path / "weights"))
    (weights / "tokenizer" / "tokenizer.json").touch()
    (weights / "vedit.json").touch()
    patterns = tomllib.loads(PYPROJECT.read_text())["tool"]["setuptools"]["package-data"]["vedit.miniature"]
    taken = {path for pattern in patterns for path in tmp_path.glob(pattern)}
    assert taken == {path for path in weights.rglob("*") if path.is_file()}
