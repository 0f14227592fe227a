"""An edit whose first frame is given, with a small model."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor

from tests.conftest import Ran
from tests.motion.spreading import GREEN, LEFT, SIDE, STEP, TOP, place, put, square_clip
from vedit.adapters.loading import load_backbone
from vedit.clip import Clip, read_clip
from vedit.clip.images import read_picture
from vedit.errors import ConfigError
from vedit.flow import estimate_flow
from vedit.jobs.edit import edit
from vedit.motion.spread import spread

Command = Callable[..., Ran]
QUICK = ("--steps", 4, "--size", 64)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A folder of 4 pictures of 64 x 48 pixels: a red square goes to the right over a textured ground."""
    Clip(square_clip(), Fraction(8)).save(tmp_path / "clip")
    return tmp_path / "clip"


@pytest.fixture
def edited(clip: Path, tmp_path: Path) -> Path:
    """Its first frame, the square green."""
    return picture(put(read_clip(clip).frames[0], *place(0), GREEN), tmp_path / "edited.png")


def picture(frame: Tensor, path: Path) -> Path:
    Image.fromarray(frame.mul(255).round().byte().permute(1, 2, 0).numpy()).save(path)
    return path


def test_the_first_frame_is_the_picture_and_the_result_repeats(
    vedit: Command, toy_model: Path, clip: Path, edited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = vedit("edit", clip, "--first", edited, "--model", toy_model, *QUICK, "-o", "o", "--sheet", "sheet.png")
    assert ran.status == 0, ran.err
    made = read_clip("o")
    assert torch.equal(made.frames[0], read_picture(edited))
    told = yaml.safe_load(Path("o.yaml").read_text())
    assert (told["prompt"], told["prior"], told["attention"]) == ("", "flow_warped", "first_frame_flow")
    assert told["first"] == [{"file": "edited.png", "time": "0"}]
    again = vedit("rerun", "o.yaml", "-o", "again")
    assert again.status == 0, again.err
    assert torch.equal(read_clip("again").frames, made.frames)


def test_what_the_edit_does_not_reach_is_the_clips_own(toy_model: Path, clip: Path, edited: Path) -> None:
    result = edit(load_backbone(toy_model), clip, first=str(edited), steps=4, size=64)
    source = read_clip(clip).frames
    assert 0.05 < result.metrics["edited_share"] < 0.6
    assert torch.equal(result.clip.frames[1, :, 46:], source[1, :, 46:])
    assert not torch.equal(result.clip.frames[1], source[1])


def test_held_to_the_end_it_is_what_was_spread_as_the_vae_keeps_it(toy_model: Path, clip: Path, edited: Path) -> None:
    backbone = load_backbone(toy_model)
    result = edit(backbone, clip, first=str(edited), first_hold=1, mask="none", steps=4, size=64)
    frames = read_clip(clip).frames
    crude = spread(frames, estimate_flow(frames), [read_picture(edited)], [0]).frames
    kept = backbone.decode(backbone.encode(crude))[-1]
    assert float((result.clip.frames[-1] - kept).abs().max()) < 1e-3


def test_several_pictures_at_their_times(toy_model: Path, clip: Path, edited: Path, tmp_path: Path) -> None:
    blue = torch.tensor([0.1, 0.1, 0.9])
    late = picture(put(read_clip(clip).frames[2], *place(2), blue), tmp_path / "late.png")
    result = edit(load_backbone(toy_model), clip, "a square", first=[str(edited), f"0.25s:{late}"], steps=2, size=64)
    assert torch.equal(result.clip.frames[0], read_picture(edited))
    assert torch.equal(result.clip.frames[2], read_picture(late))
    alone = edit(load_backbone(toy_model), clip, first=f"2:{late}", steps=2, size=64)
    assert torch.equal(alone.clip.frames[2], read_picture(late))
    assert alone.config.attention == "sparse_causal", "the first frame is not given"


@pytest.mark.parametrize(
    "settings",
    [
        {"control": "edge:0.5"},
        {"window": 2, "overlap": 1},
        {"mask": "none"},
        {"prior": "shared"},
        {"attention": "sparse_causal"},
        {"prompt": "a green square", "guidance": 3},
        {"first_hold": 0.2},
    ],
)
def test_other_settings_go_with_it(toy_model: Path, clip: Path, edited: Path, settings: dict[str, object]) -> None:
    from tests.backbone import toys

    if "control" in settings:
        unet = load_backbone(toy_model).unet
        net = toys.controlnet_folder(unet, clip.parent / "net", 8)
        settings = {"control": {"kind": "edge", "net": str(net)}}

    def made(**others: object) -> Tensor:
        return edit(load_backbone(toy_model), clip, first=str(edited), steps=4, size=64, **others).clip.frames

    assert not torch.equal(made(**settings), made())


def test_a_mask_keeps_the_edit_where_it_is(toy_model: Path, clip: Path, edited: Path) -> None:
    mask = torch.zeros(1, 1, 48, 64)
    mask[..., 40:, :] = 1
    result = edit(load_backbone(toy_model), clip, first=str(edited), mask=mask, steps=2, size=64)
    above = slice(TOP, TOP + 10), slice(LEFT + STEP, LEFT + STEP + SIDE)
    assert torch.equal(result.clip.frames[1][:, *above], read_clip(clip).frames[1][:, *above])


def test_where_it_may_change_is_seen_before(
    vedit: Command, toy_model: Path, clip: Path, edited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = vedit("inspect", "mask", clip, "--first", edited, "--model", toy_model, "--size", 64, "-o", "mask.mp4")
    assert ran.status == 0, ran.err
    assert Path("mask.mp4").is_file()
    dry = vedit("edit", clip, "--first", edited, "--model", toy_model, "--dry-run", *QUICK)
    assert dry.status == 0, dry.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--first", "no.png"], "no.png"),
        (["--first", "9s:{edited}"], "is of frame 72, and the last that is edited is 3"),
        (["--first", "{edited}", "--first", "0:{edited}"], "two pictures are of the same frame"),
        (["--first", "{edited}", "--prior", "inversion"], "leads back to the clip"),
        (["--first", "{edited}", "--motion-strokes", "a.yaml"], "exclude each other"),
        (["--first", "4b:{edited}"], "counts beats"),
        (["--first", "{wide}"], "expected a picture of its proportions"),
        (["--first", "{moving}"], "is animated"),
    ],
)
def test_what_cannot_be_is_one_line(
    vedit: Command, toy_model: Path, clip: Path, edited: Path, tmp_path: Path, flags: list[str], said: str
) -> None:
    wide, moving = picture(torch.zeros(3, 48, 96), tmp_path / "wide.png"), tmp_path / "moving.webp"
    Image.new("RGB", (64, 48)).save(moving, save_all=True, append_images=[Image.new("RGB", (64, 48), "red")])
    named = [each.format(edited=edited, wide=wide, moving=moving) for each in flags]
    assert said in vedit("edit", clip, *named, "--model", toy_model, *QUICK).complaint


def test_without_a_picture_words_are_needed(vedit: Command, toy_model: Path, clip: Path) -> None:
    assert "PROMPT is missing" in vedit("edit", clip, "--model", toy_model).complaint
    with pytest.raises(ConfigError, match="is empty"):
        edit(load_backbone(toy_model), clip)


def test_it_is_a_job_of_a_batch(vedit: Command, toy_model: Path, clip: Path, edited: Path, tmp_path: Path) -> None:
    jobs = tmp_path / "jobs.yaml"
    jobs.write_text(f"defaults:\n  model: {toy_model}\n  steps: 2\njobs:\n  - clip: {clip}\n    first: {edited}\n")
    ran = vedit("batch", jobs, "-o", tmp_path / "out", "--check")
    assert ran.status == 0, ran.err
