"""The blocks of docs/python.md, run one after the other as a notebook would."""

from __future__ import annotations

import re
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import vedit
from vedit.errors import VeditWarning

ROOT = Path(vedit.__file__).parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def blocks() -> list[str]:
    """Each with the lines before it left blank, so that a fault tells its line of the page."""
    found = re.finditer(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return ["\n" * PAGE[: each.start(1)].count("\n") + each[1] for each in found]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_page_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with warnings.catch_warnings(action="ignore", category=VeditWarning):  # few steps meet no clip well
        for block in blocks():
            exec(compile(block, "docs/python.md", "exec"), names)
    assert {path.name for path in tmp_path.iterdir()} == {
        "examples", "star.mp4", "star.yaml", "darker.gif", "star.safetensors"
    }  # fmt: skip
    assert names["latents"].shape == (4, 4, 16, 16)
    assert names["noise"].shape == (1, 4, 4, 16, 16)
    assert names["frames"].shape == (4, 3, 128, 128)
    brightness = names["backbone"].decode(names["dusk"]).mean((1, 2, 3)).tolist()
    assert brightness[3] < brightness[2] < brightness[1]
    assert [len(each.clip) for each in names["results"]] == [2, 2]


def test_the_page_names_only_what_there_is() -> None:
    """What the slow test would find, found at once: every block compiles, every name of vedit is there."""
    for block in blocks():
        compile(block, "docs/python.md", "exec")
    for name in set(re.findall(r"\bvedit\.(\w+)", PAGE)):
        assert hasattr(vedit, name) or find_spec(f"vedit.{name}"), name
