"""What lies beside a result makes it again, from anywhere, and replaces nothing unasked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import vedit as package
from tests.backbone import toys
from tests.conftest import Ran
from tests.jobs.edits import edited
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.clip import Clip, read_clip

Command = Callable[..., Ran]


def test_rerun_makes_the_same_bytes_from_anywhere(
    vedit: Command, quick: tuple[object, ...], toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "first.mp4"
    assert vedit("edit", toy_clip, "a cat", *quick, "--source-prompt", "red", "-o", first).status == 0
    settled = yaml.safe_load((tmp_path / "first.yaml").read_text())
    assert settled["command"] == "edit"
    assert settled["vedit"] == package.__version__
    assert (settled["attention"], settled["negative_prompt"]) == ("sparse_causal", "")

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert vedit("rerun", "../first.yaml", "-o", "second.mp4").status == 0
    assert Path("second.mp4").read_bytes() == first.read_bytes()
    assert vedit("rerun", "../first.yaml", "--overwrite", "--set", "seed=1").status == 0
    assert yaml.safe_load((tmp_path / "first.yaml").read_text())["seed"] == 1


def test_the_sheet_of_a_rerun_lies_beside_its_output(
    vedit: Command, quick: tuple[object, ...], toy_clip: Path, tmp_path: Path
) -> None:
    first = ("edit", toy_clip, "a cat", *quick, "-o", tmp_path / "first.mp4", "--sheet", tmp_path / "sheet.png")
    assert vedit(*first).status == 0
    (tmp_path / "other").mkdir()
    new, named, none = (tmp_path / "other" / f"{name}.mp4" for name in ("new", "named", "none"))
    assert vedit("rerun", tmp_path / "first.yaml", "-o", new).status == 0
    assert new.with_suffix(".png").read_bytes() == (tmp_path / "sheet.png").read_bytes()
    assert yaml.safe_load(new.with_suffix(".yaml").read_text())["sheet"] == "new.png"
    assert vedit("rerun", new.with_suffix(".yaml"), "-o", named, "--set", f"sheet={tmp_path}/s.png").status == 0
    assert vedit("rerun", new.with_suffix(".yaml"), "-o", none, "--set", "sheet=null").status == 0
    assert {path.name for path in tmp_path.rglob("*.png")} == {"sheet.png", "new.png", "s.png"}


def test_a_rerun_lies_beside_the_old_result_under_a_free_name(
    vedit: Command, quick: tuple[object, ...], toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the sidecar's own folder, wherever its settings would write, unless -o says otherwise."""
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    extra = ("--sheet", tmp_path / "s.png", "--compare", tmp_path / "c.gif")
    first = ("edit", toy_clip, "a cat", *quick, "--frames", 2, "-o", there / "o.mp4", *extra)
    assert vedit(*first).status == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    (there / "o-2.png").write_text("mine")
    monkeypatch.chdir(here)
    ran = vedit("rerun", "../there/o.yaml")
    assert ran.status == 0, ran.err
    assert "../there/o-3.mp4  2 frames" in ran.out
    made = {"o-3.mp4", "o-3.yaml", "o-3.png", "o-3-compare.gif"}
    assert {path.name for path in there.iterdir()} == {"o.mp4", "o.yaml", "o-2.png"} | made
    assert (there / "o-3.mp4").read_bytes() == before[there / "o.mp4"]
    assert (there / "o-3-compare.gif").read_bytes() == before[tmp_path / "c.gif"]
    assert all(path.read_bytes() == content for path, content in before.items())
    assert vedit("rerun", there / "o-3.yaml", "--overwrite", "--set", "seed=9").status == 0
    moved = here / "o.yaml"
    moved.write_text((there / "o.yaml").read_text().replace("output: o.mp4", f"output: {tmp_path}/elsewhere.mp4"))
    assert vedit("rerun", moved, "--overwrite").status == 0
    assert {path.name for path in here.iterdir()} == {"o.yaml", "elsewhere.mp4", "elsewhere.yaml", "s.png", "c.gif"}
    assert all(path.read_bytes() == content for path, content in before.items())


def test_an_edit_through_the_api_can_be_rerun_too(
    vedit: Command, toy_model: Path, toy_clip: Path, tmp_path: Path
) -> None:
    """With all that the model was loaded with; and the words of its adapter hold wherever it came from."""
    learnt = tmp_path / "learnt.safetensors"
    package.tune(load_backbone(toy_model, device="cpu"), read_clip(toy_clip, frames=2), "red", steps=2).save(learnt)
    backbone = load_backbone(toy_model, device="cpu", adapter=learnt)
    result = edited(backbone, toy_clip, output=tmp_path / "one.mp4")
    assert result.config.source_prompt == "red"
    assert result.config.adapter == learnt
    assert vedit("rerun", tmp_path / "one.yaml", "-o", tmp_path / "two.mp4").status == 0
    assert (tmp_path / "two.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()


def test_a_rerun_with_another_model_of_the_same_name_is_warned_of(
    vedit: Command, sd1: Path, toy_clip: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(sd1, tmp_path / "model"))
    assert vedit("edit", toy_clip, "a cat", "--model", model, "--steps", 1, "-o", tmp_path / "a.mp4").status == 0
    assert "as it was then" not in vedit("rerun", tmp_path / "a.yaml", "--overwrite").err
    shutil.copytree(toys.sd_folder(tmp_path / "other", seed=3) / "unet", model / "unet", dirs_exist_ok=True)
    again = vedit("rerun", tmp_path / "a.yaml", "--overwrite")
    assert again.status == 0
    assert "as it was then" in again.err


def test_a_clip_in_memory_cannot_be_rerun(
    vedit: Command, backbone: Backbone, clip: Clip, toy_clip: Path, tmp_path: Path
) -> None:
    edited(backbone, clip, output=tmp_path / "out.mp4")
    again = ("rerun", tmp_path / "out.yaml", "-o", tmp_path / "again.mp4")
    assert "was in memory" in vedit(*again).complaint
    assert vedit(*again, "--set", f"clip={toy_clip}").status == 0
