"""``vedit inspect mask``: every kind of mask, seen over the clip before an edit is paid for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.conftest import Ran
from vedit.clip import Clip, probe, read_clip
from vedit.config import EditConfig, InspectMaskConfig
from vedit.jobs import run
from vedit.jobs.inspect_mask import DARK, LINE, over

Command = Callable[..., Ran]


@pytest.fixture
def look(
    vedit: Command, toy_model: Path, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    monkeypatch.chdir(tmp_path)
    Clip(torch.zeros(2, 3, 30, 46).index_fill(3, torch.arange(20), 1), read_clip(toy_clip).rate).save("left")
    return lambda *rest: vedit("inspect", "mask", toy_clip, "a red cat", "--model", toy_model, "--frames", 2, *rest)


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        ("auto", "of the picture"),
        ("none", "all of the picture"),
        ("box:0,0,23,30", "of the picture"),
        ("word:dog", "of the picture"),
        ("left", "of the picture"),
    ],
)
def test_every_kind_is_shown(look: Callable[..., Ran], toy_clip: Path, mask: str, told: str) -> None:
    ran = look("--source-prompt", "a red dog", "--mask", mask, "--sheet", "s.png", "-o", "o.mp4")
    assert ran.status == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "o.mp4  2 frames, 46x30, 29.97 fps, with sound"
    assert lines[1] == "s.png"
    assert lines[2].startswith("The edit may change ")
    assert told in lines[2]
    info, source = probe(Path("o.mp4")), probe(toy_clip)
    assert (info.frames, info.size, info.rate) == (2, source.size, source.rate)
    assert not Path("o.yaml").exists()


def test_it_is_the_mask_that_the_edit_has(toy_model: Path, toy_clip: Path, tmp_path: Path) -> None:
    settings = {"source_prompt": "a red dog", "frames": 2, "steps": 2, "mask": "word:dog", "device": "cpu"}
    settings |= {"clip": toy_clip, "prompt": "a red cat", "model": str(toy_model)}
    found = run(InspectMaskConfig(output=tmp_path / "o.mp4", **settings))
    made = run(EditConfig(output=tmp_path / "e.mp4", **settings))
    assert made.metrics["edited_share"] == pytest.approx(found.share)
    assert found.mask.shape[0] == 2


def test_what_is_closed_is_grey_and_dark_and_what_is_open_as_it_was() -> None:
    frame = torch.rand(3, 64, 64)
    mask = torch.zeros(1, 8, 8)
    mask[..., :4] = 1
    shown = over(frame, mask)
    assert torch.equal(shown[..., :24], frame[..., :24])
    closed = shown[..., 40:]
    assert (closed.amax(0) - closed.amin(0)).max() < 1e-6
    assert closed.max() <= DARK + 1e-6
    line = (shown - torch.tensor(LINE).view(3, 1, 1)).abs().amax(0) < 1e-6
    assert line[:, 31:34].any(1).all()
    assert not line[:, 40:].any()
    assert torch.equal(over(frame, torch.ones(1, 8, 8)), frame)


def test_without_a_source_prompt_the_whole_frame_is_open(look: Callable[..., Ran]) -> None:
    ran = look()
    assert ran.status == 0, ran.err
    assert "without --source-prompt there are no words to compare" in ran.err
    assert ran.out == "toy-mask.mp4  2 frames, 46x30, 29.97 fps, with sound\nThe edit may change all of the picture.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mask", "word:dog"], "give one with --source-prompt"),
        (["--mask", "no.png"], "the mask no.png does not exist"),
        (["--mask", "box:90,0,5,5"], "lies outside of the picture"),
        (["--compare", "c.mp4"], "leave it, or take --sheet"),
        (["--tune", "3", "--source-prompt", "a dog"], "tune first with `vedit tune`"),
        (["--sheet", "s.jpg"], "written as .png"),
        (["-o", "o.avi"], ".avi cannot be written"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_nothing(
    look: Callable[..., Ran], tmp_path: Path, arguments: list[str], said: str
) -> None:
    assert said in look(*arguments).complaint
    assert [path.name for path in tmp_path.iterdir()] == ["left"]
