"""A picture set in motion along strokes, with a small model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor

from tests.conftest import Ran
from vedit.adapters.loading import load_backbone
from vedit.clip import Clip, probe, read_clip
from vedit.clip.images import read_picture
from vedit.config import AnimateConfig
from vedit.errors import ConfigError, VeditWarning
from vedit.jobs.animate import Animate, animate
from vedit.jobs.base import Given
from vedit.session import Session

MINIATURE = Path("vedit/miniature/weights").resolve()

Command = Callable[..., Ran]


def test_the_first_frame_is_the_picture_and_the_rest_is_repeatable(
    vedit: Command, toy_model: Path, picture: Path, strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ("--model", toy_model, "--steps", 4, "--frames", 4, "-p", "a red square", "--sheet", "sheet.png")
    ran = vedit("animate", picture, "--motion-strokes", strokes, *flags, "-o", "o.mp4")
    assert ran.status == 0, ran.err
    made = probe("o.mp4")
    assert (made.frames, made.rate, made.size) == (4, 8, (48, 64))
    assert Path("sheet.png").is_file()
    assert yaml.safe_load(Path("o.yaml").read_text())["command"] == "animate"
    again = vedit("rerun", "o.yaml", "-o", "again.mp4")
    assert again.status == 0, again.err
    assert Path("again.mp4").read_bytes() == Path("o.mp4").read_bytes()


def test_settings_that_would_take_the_place_of_the_strokes(
    vedit: Command, picture: Path, strokes: Path, tmp_path: Path
) -> None:
    before = strokes.read_bytes()
    output = strokes.with_suffix(".mp4")
    ran = vedit("animate", picture, "--motion-strokes", strokes, "-p", "a cat", "-o", output, "--overwrite")
    assert f"is the motion strokes itself, and the settings of {output.name} would go there" in ran.complaint
    assert strokes.read_bytes() == before


def test_a_picture_unlike_the_models_own_is_told(toy_model: Path, picture: Path, tmp_path: Path) -> None:
    model = shutil.copytree(toy_model, tmp_path / "model")
    (model / "vedit.json").write_text(json.dumps({"vae_floor_db": 90}))
    with pytest.warns(VeditWarning, match=r"this picture is not like what .*expected 90 or more"):
        animate(model, picture, prompt="a cat", frames=2, steps=1)


def test_from_python_with_a_picture_in_memory(toy_model: Path, picture: Path, strokes: Path) -> None:
    backbone = load_backbone(toy_model)
    common = {"motion_strokes": strokes, "frames": 3, "steps": 4, "prompt": "a red square"}
    result = animate(backbone, picture, **common)
    assert torch.equal(result.clip.frames[0], read_picture(picture))
    assert result.files == ()
    assert float((result.crude.frames[2] - result.crude.frames[0]).abs().max()) > 0.3
    assert int(result.crude.frames[2, 0, 23, 46] > 0.8) == 1, "the square is where the stroke ends"
    again = animate(backbone, Clip(read_picture(picture)[None], Fraction(8)), **common)
    assert torch.equal(again.clip.frames, result.clip.frames)


@pytest.mark.parametrize(
    ("told", "comes"),
    [
        (("motion_words",), True),
        ((), False),
        (("motion_strokes",), False),
        (("motion_strokes", "motion_adapter"), True),
    ],
    ids=["free", "words", "strokes", "named"],
)
def test_a_model_leaves_its_own_motion_modules_where_it_is_told_what_moves(
    picture: Path, strokes: Path, told: tuple[str, ...], comes: bool
) -> None:
    every = {"motion_words": "none", "motion_strokes": strokes, "motion_adapter": str(MINIATURE / "motion")}
    settings = {"picture": picture, "prompt": "a red square", **{name: every[name] for name in told}}
    goal = Animate().goal(AnimateConfig.model_validate(settings), Session(), Given())
    assert goal.model is not None
    assert goal.model.outline.layers.motion == comes


@pytest.mark.parametrize("settings", [{"attention": "flow"}, {"prior": "shared"}, {"motion_field": "thin_plate"}])
def test_what_follows_a_clips_flow_follows_the_strokes(
    toy_model: Path, picture: Path, strokes: Path, settings: dict[str, str]
) -> None:
    def made(**others: str) -> Tensor:
        settings = {"motion_strokes": strokes, "frames": 3, "steps": 2, "size": 32, **others}
        return animate(load_backbone(toy_model), picture, **settings).clip.frames

    assert not torch.equal(made(**settings), made())


def test_what_is_held_throughout_is_the_picture_as_the_vae_keeps_it(toy_model: Path, picture: Path) -> None:
    backbone = load_backbone(toy_model)
    result = animate(backbone, picture, frames=2, steps=4, still_hold=1, keep_first=False, paste=False)
    kept = backbone.decode(backbone.encode(read_picture(picture)[None]))
    assert float((result.clip.frames - kept).abs().max()) < 1e-4


def test_the_pictures_own_pixels_are_put_where_it_is_held(toy_model: Path, picture: Path) -> None:
    result = animate(toy_model, picture, frames=2, steps=4, still_hold=1, keep_first=False)
    whole = read_picture(picture).expand(2, -1, -1, -1)
    torch.testing.assert_close(result.clip.frames, whole, atol=1e-5, rtol=0)


def test_by_default_the_rest_is_held_throughout_where_strokes_say_what_moves(
    toy_model: Path, picture: Path, tmp_path: Path
) -> None:
    strokes = tmp_path / "strokes.yaml"
    strokes.write_text("version: 1\nsize: [64, 48]\nframes: 2\nstrokes:\n- {points: [[8, 8], [14, 8]], radius: 5}\n")
    made = animate(toy_model, picture, steps=4, motion_strokes=strokes).clip.frames
    torch.testing.assert_close(made[1, :, :, 40:], read_picture(picture)[:, :, 40:], atol=1e-5, rtol=0)
    free = animate(toy_model, picture, frames=2, steps=4).clip.frames
    assert not torch.allclose(free[1], read_picture(picture), atol=0.02)


def test_without_strokes_nothing_is_moved(toy_model: Path, picture: Path) -> None:
    result = animate(load_backbone(toy_model), picture, frames=2, steps=2)
    assert torch.equal(result.crude.frames[1], result.crude.frames[0])


def test_what_it_costs_is_told_before(
    vedit: Command, sd1: Path, picture: Path, strokes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in tmp_path.iterdir()}
    flags = ("--motion-strokes", strokes, "--model", sd1, "--size", 64, "--steps", 4, "--dry-run")
    ran = vedit("animate", picture, *flags)
    assert ran.status == 0, ran.err
    assert "MiB" in ran.out
    assert "2 x" in ran.out, "half of the steps"
    assert {path.name for path in tmp_path.iterdir()} == before


def test_it_runs_on_stable_diffusions_layout(sd1: Path, picture: Path, strokes: Path) -> None:
    result = animate(load_backbone(sd1), picture, motion_strokes=strokes, frames=2, steps=2, size=64)
    assert result.clip.size == (48, 64)
    assert bool(torch.isfinite(result.clip.frames).all())


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--prior", "inversion"], "starts from a clip"),
        (["--motion-strokes", "no.yaml"], "no.yaml"),
        (["--motion-field", "bendy"], "rigid"),
        (["--strength", "0"], "--strength"),
    ],
)
def test_what_cannot_be_is_one_line(
    vedit: Command, toy_model: Path, picture: Path, flags: list[str], said: str
) -> None:
    assert said in vedit("animate", picture, "--model", toy_model, *flags).complaint


def test_a_picture_in_memory_has_no_file_to_run_again_from(toy_model: Path, tmp_path: Path) -> None:
    from vedit.config import IN_MEMORY, AnimateConfig
    from vedit.jobs.animate import Animate

    with pytest.raises(ConfigError, match="was in memory"):
        Animate().checked(AnimateConfig(picture=IN_MEMORY))


def test_a_clip_that_was_written_begins_with_the_picture(
    vedit: Command, toy_model: Path, picture: Path, strokes: Path, tmp_path: Path
) -> None:
    flags = ("--motion-strokes", strokes, "--model", toy_model, "--steps", 2, "--frames", 2)
    assert vedit("animate", picture, *flags, "-o", tmp_path / "out").status == 0
    assert torch.equal(read_clip(tmp_path / "out").frames[0], read_picture(picture))


def test_in_an_edit_a_thing_goes_where_its_stroke_leads(toy_model: Path, tmp_path: Path) -> None:
    from tests.motion.test_moving import going_right
    from vedit.jobs.edit import edit

    frames, _ = going_right()
    new = tmp_path / "new.yaml"
    new.write_text("version: 1\nsize: [64, 48]\nstrokes: [{points: [[15, 23], [15, 33]], radius: 12}]\n")
    common = {"source_prompt": "a square", "steps": 2, "size": 64, "check_inversion": False}
    result = edit(load_backbone(toy_model), Clip(frames, Fraction(8)), "a square", motion_strokes=new, **common)
    assert 0.05 < result.metrics["edited_share"] < 0.8
    assert torch.equal(result.clip.frames[2, :, :, 60:], frames[2, :, :, 60:]), "the rest is the clip's own"
    assert not torch.equal(result.clip.frames[2], frames[2])


def test_words_alone_with_strokes(vedit: Command, toy_model: Path, strokes: Path, tmp_path: Path) -> None:
    flags = ("--frames", 2, "--steps", 2, "--width", 64, "--height", 48, "--model", toy_model)
    moved = ("--motion-strokes", strokes, "--prior", "flow_warped", "--attention", "first_frame_flow")
    assert vedit("generate", "a cat", *flags, *moved, "-o", tmp_path / "a.mp4").status == 0
    assert "starts from a clip" in vedit("generate", "a cat", *flags, "--prior", "flow_warped").complaint


def test_the_camera_of_strokes_carries_a_first_sketch(toy_model: Path, picture: Path, tmp_path: Path) -> None:
    from vedit.jobs.generate import generate

    camera = tmp_path / "camera.yaml"
    camera.write_text("version: 1\nsize: [64, 48]\ncamera: {pan: [16, 0]}\n")
    common = {"motion_strokes": camera, "prior": "bounce", "attention": "first_frame", "frames": 3, "steps": 3}
    backbone = load_backbone(toy_model)
    made = generate(backbone, "a cat", width=64, height=48, **common).clip.frames
    assert bool(torch.isfinite(made).all())
    assert not torch.equal(made, generate(backbone, "a cat", width=64, height=48, **common, seed=1).clip.frames)
    strokes = tmp_path / "s.yaml"
    strokes.write_text("version: 1\nsize: [64, 48]\nstrokes: [{points: [[15, 23], [39, 23]], radius: 10}]\n")
    held = animate(backbone, picture, **{**common, "motion_strokes": strokes, "attention": "flow"}).clip.frames
    assert bool(torch.isfinite(held).all())


def test_it_is_a_job_of_a_batch(vedit: Command, toy_model: Path, picture: Path, strokes: Path, tmp_path: Path) -> None:
    jobs = tmp_path / "jobs.yaml"
    lines = ["command: animate", f"model: {toy_model}", f"motion_strokes: {strokes}", "frames: 2", "steps: 2"]
    jobs.write_text("defaults:\n" + "".join(f"  {line}\n" for line in lines) + f"jobs:\n  - picture: {picture}\n")
    ran = vedit("batch", jobs, "-o", tmp_path / "out", "--check")
    assert ran.status == 0, ran.err


@pytest.fixture
def donor(tmp_path: Path) -> Path:
    """A white disc that goes 3 pixels to the left with each frame, over a ground that flow is seen on."""
    noise = torch.rand(1, 3, 15, 20, generator=torch.Generator().manual_seed(3)) * 0.6
    frames = torch.nn.functional.interpolate(noise, size=(60, 80), mode="bicubic").repeat(6, 1, 1, 1)
    down, across = torch.arange(60)[:, None], torch.arange(80)[None]
    for index, frame in enumerate(frames):
        frame[:, (down - 30) ** 2 + (across - 55 + 3 * index) ** 2 < 120] = 1
    Clip(frames.clamp(0, 1), Fraction(8)).save(tmp_path / "donor")
    return tmp_path / "donor"


def test_a_picture_takes_on_the_motion_of_a_clip(toy_model: Path, picture: Path, donor: Path) -> None:
    result = animate(load_backbone(toy_model), picture, motion_of=donor, steps=2)
    assert len(result.clip) == 6, "as long as the clip"
    way = result.motion.forward[:, :, 23, 15]
    assert way[-1].tolist() == pytest.approx([-15 * 0.8, 0], abs=2.5), "its share of the diagonal"
    assert result.motion.forward[:, :, :, 45:].abs().max() < 0.01
    boxed = animate(load_backbone(toy_model), picture, motion_of=donor, motion_mask="box:30,10,16,16", steps=2)
    assert boxed.motion.forward[-1, 0, 18, 38] < -9
    assert boxed.motion.forward[-1, 0, 40, 38] == 0


def test_a_motion_that_ends_before_is_told_and_one_that_leaves_the_picture(
    vedit: Command, toy_model: Path, picture: Path, donor: Path, tmp_path: Path
) -> None:
    flags = ("--motion-of", donor, "--model", toy_model, "--steps", 1, "--frames", 9, "-o", tmp_path / "o.mp4")
    ran = vedit("animate", picture, *flags)
    assert ran.status == 0, ran.err
    assert "lasts 0.8 s and 1.1 s are made: the motion ends there" in ran.err
    ran = vedit("animate", picture, *flags, "--overwrite", "--motion-mask", "box:0,16,6,6")
    assert "out of the picture in frame 2" in ran.err


def test_what_cannot_be_borrowed_is_one_line(
    vedit: Command, toy_model: Path, picture: Path, donor: Path, strokes: Path, tmp_path: Path
) -> None:
    def complaint(*flags: object) -> str:
        return vedit("animate", picture, "--model", toy_model, "--steps", 1, *flags).complaint

    still = tmp_path / "still"
    Clip(read_clip(donor).frames[:1].repeat(4, 1, 1, 1), Fraction(8)).save(still)
    assert "nothing moves in it" in complaint("--motion-of", still)
    assert "has one frame" in complaint("--motion-of", picture.parent)
    assert "exclude each other" in complaint("--motion-of", donor, "--motion-strokes", strokes)
    assert "is no mask of a picture's thing" in complaint("--motion-of", donor, "--motion-mask", "word:cat")
    assert "no.png" in complaint("--motion-of", donor, "--motion-mask", "no.png")
    plain = tmp_path / "plain"
    Clip(torch.full((1, 3, 48, 64), 0.5), Fraction(8)).save(plain)
    said = vedit("animate", plain / "00000.png", "--model", toy_model, "--motion-of", donor).complaint
    assert "nothing stands out of the picture" in said
