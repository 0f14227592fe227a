"""Results in a notebook: a line, a video, and files as the command writes them."""

from __future__ import annotations

import shutil
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest

import vedit as package
from tests.conftest import Ran
from vedit.backbone import Backbone
from vedit.clip import read_clip
from vedit.errors import ConfigError, MediaError

QUICK = {"steps": 2, "cache": False, "check_inversion": False}


def played(page: str, folder: Path) -> package.Clip:
    """The video that a page plays."""
    (folder / "played.mp4").write_bytes(b64decode(page.split("base64,")[1].split('"')[0]))
    return read_clip(folder / "played.mp4")


def test_an_edit_is_a_line_and_plays_beside_its_source(backbone: Backbone, toy_clip: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(toy_clip, tmp_path / "in.mp4"))
    result = package.edit(backbone, path, "a cat", mask="none", frames=3, **QUICK)
    assert repr(result).startswith("EditResult(LazyClip(3 frames, 46x30, 29.97 fps, with sound), 'a cat', ")
    assert len(repr(result)) < 100
    both = played(result._repr_html_(), tmp_path)
    assert (len(both), both.size) == (3, (30, 2 * 46))
    source = both.frames[..., 4:42]
    assert float((source - read_clip(path, frames=3).frames[..., 4:42]).abs().mean()) < 0.05
    path.unlink()
    alone = package.edit(backbone, toy_clip, "a cat", mask="none", frames=3, **QUICK)
    object.__setattr__(alone, "open_source", lambda: (_ for _ in ()).throw(MediaError("gone")))
    assert played(alone._repr_html_(), tmp_path).size == (30, 46)


def test_the_other_results_are_lines_and_play(backbone: Backbone, toy_clip: Path, tmp_path: Path) -> None:
    made = package.generate(backbone, "a cat", frames=2, steps=1)
    assert repr(made).startswith("GenerateResult(Clip(2 frames, 64x64, 8 fps, silent), 'a cat', ")
    assert len(played(made._repr_html_(), tmp_path)) == 2
    edges = package.inspect("edge", toy_clip)
    assert len(repr(edges)) < 200
    assert played(edges._repr_html_(), tmp_path).size == (30, 46)


def test_results_are_saved_as_the_command_saves_them(
    vedit: Callable[..., Ran], backbone: Backbone, toy_clip: Path, tmp_path: Path
) -> None:
    result = package.edit(backbone, toy_clip, "a cat", source_prompt="red", sheet=tmp_path / "sheet.png", **QUICK)
    assert result.save(tmp_path / "one.mp4") == (tmp_path / "one.mp4", tmp_path / "one.yaml")
    assert vedit("rerun", tmp_path / "one.yaml", "-o", tmp_path / "two.mp4").status == 0
    assert (tmp_path / "two.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()
    with pytest.raises(MediaError, match="exists already"):
        result.save(str(tmp_path / "one.mp4"))
    result.save(str(tmp_path / "one.mp4"), overwrite=True)
    with pytest.raises(ConfigError, match="is the clip itself"):
        result.save(toy_clip, overwrite=True)
    made = package.generate(backbone, "a cat", frames=2, steps=1)
    made.save(tmp_path / "made.webm")
    assert {path.name for path in tmp_path.iterdir()} >= {"made.webm", "made.yaml"}
