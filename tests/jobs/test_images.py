"""Edits and generated clips that take the look of pictures."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor

from tests.adapters import images
from tests.conftest import Ran
from tests.jobs.edits import edited
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.clip import Clip
from vedit.clip.images import read_picture
from vedit.config import GenerateConfig
from vedit.errors import ConfigError, VeditHint
from vedit.jobs.generate import generate
from vedit.jobs.images import stages
from vedit.session import Model
from vedit.stages.clip import BlankClip
from vedit.stages.images import ShowPictures
from vedit.timeline import Moments

Command = Callable[..., Ran]


@pytest.fixture
def eyes(seeing: Path) -> Backbone:
    return load_backbone(seeing, device="cpu")


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two pictures, of another shape than the encoder's."""
    folder = tmp_path_factory.mktemp("looks")
    for index, picture in enumerate(images.pictures(2, side=40)):
        picture.crop((0, 0, 40, 25)).save(folder / f"{index}.png")
    return [folder / "0.png", folder / "1.png"]


def frames(backbone: Backbone, attention: str = "per_frame", **settings: object) -> Tensor:
    """Three frames of noise and words, each by itself."""
    common = {"frames": 3, "fps": 2, "steps": 2, "width": 64, "height": 64, "attention": attention}
    return generate(backbone, "a cat", **common, **settings).clip.frames  # type: ignore[arg-type]


def differ(one: Tensor, other: Tensor) -> list[bool]:
    return [bool((a - b).abs().max() > 1e-3) for a, b in zip(one, other, strict=True)]


def test_a_picture_changes_what_is_generated_and_leaves_the_model(eyes: Backbone, looks: list[Path]) -> None:
    names = list(eyes.unet.state_dict())
    plain = frames(eyes)
    assert differ(frames(eyes, image=looks[0]), plain) == [True] * 3
    assert differ(frames(eyes, image=f"{looks[0]}:0"), plain) == [False] * 3
    assert list(eyes.unet.state_dict()) == names
    assert torch.equal(frames(eyes), plain), "to the bit"


def test_pictures_at_their_times(eyes: Backbone, looks: list[Path]) -> None:
    """Each frame has the picture whose time has come; before the first there is none."""
    one, other = (frames(eyes, image=str(each)) for each in looks)
    both = frames(eyes, image=[f"0:{looks[0]}", f"1s:{looks[1]}"])  # a frame lasts half a second
    assert differ(both, one) == [False, False, True]
    assert differ(both, other) == [True, True, False]
    late = frames(eyes, image=f"1:{looks[0]}")
    assert differ(late, frames(eyes)) == [False, True, True]
    with pytest.warns(VeditHint, match=r"0.png comes at 9s, after the last frame that is made \(2\), and is not seen"):
        never = frames(eyes, image=f"9s:{looks[0]}")
    assert not any(differ(never, frames(eyes)))


def test_a_layer_that_the_model_does_not_have_is_told_before_anything_runs(
    vedit: Command, seeing: Path, looks: list[Path], tmp_path: Path
) -> None:
    asked = ("generate", "a dog", "--model", seeing, "--image", f"{looks[0]}:layers=1,4", "-o", tmp_path / "x.mp4")
    assert "there is no layer 4; this model has 4, 0 to 3: down, up, mid." in vedit(*asked, "--dry-run").complaint
    assert vedit(*asked[:-3], f"{looks[0]}:layers=1,3", *asked[-2:], "--dry-run").status == 0


def test_weights_in_time_layers_masks_and_windows(eyes: Backbone, looks: list[Path], tmp_path: Path) -> None:
    plain, whole = frames(eyes), frames(eyes, image=str(looks[0]))
    assert differ(frames(eyes, image=f"{looks[0]}:[0:1, 1:0]"), plain) == [True, False, False]
    style, layout = (frames(eyes, image=f"{looks[0]}:layers={each}") for each in ("style", "layout"))
    assert all(differ(style, plain))
    assert all(differ(style, whole))
    assert all(differ(style, layout))
    assert all(differ(frames(eyes, image=f"{looks[0]}@0.5-1"), whole))
    white = Image.new("L", (64, 64), 255)
    white.save(tmp_path / "white.png")
    torch.testing.assert_close(
        frames(eyes, image=f"{looks[0]}:mask={tmp_path / 'white.png'}"), whole, atol=1e-4, rtol=0
    )
    white.paste(0, (32, 0, 64, 64))
    white.save(tmp_path / "left.png")
    left = frames(eyes, image=f"{looks[0]}:mask={tmp_path / 'left.png'}")
    assert all(differ(left, whole))
    assert all(differ(left, plain))


def test_several_and_negative_pictures(eyes: Backbone, looks: list[Path]) -> None:
    one = frames(eyes, image=str(looks[0]))
    both = frames(eyes, image=[str(each) for each in looks])
    assert all(differ(both, one))
    assert not any(differ(both, frames(eyes, image=[str(each) for each in looks[::-1]])))
    assert all(differ(frames(eyes, image=str(looks[0]), negative_image=str(looks[1])), one))
    assert all(differ(frames(eyes, negative_image=str(looks[1])), frames(eyes)))


def test_an_edit_takes_a_look(eyes: Backbone, clip: Clip, looks: list[Path]) -> None:
    """Beside injection, whose source branch does not see it, a control and attention kinds."""
    plain = edited(eyes, clip, source_prompt="a dog", seed=3, strength=1.0, mask="none")
    looked = edited(eyes, clip, source_prompt="a dog", seed=3, strength=1.0, image=str(looks[0]))
    assert "edited_share" not in looked.metrics, "where words differ is no answer to where a look may be seen"
    assert (looked.clip.frames - plain.clip.frames).abs().max() > 1e-2
    assert looked.config.image[0].file == looks[0]


def test_on_the_command_line_and_again(
    vedit: Command, seeing: Path, toy_clip: Path, looks: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for look in looks:
        shutil.copy(look, tmp_path)
    asked = ("--model", seeing, "--steps", 2, "--image", "0:0.png:0.8", "--image", "2:1.png:layers=style")
    ran = vedit("edit", toy_clip, "a red cat", *asked, "-p", "a cat", "-f", 3, "-o", "out.mp4")
    assert ran.status == 0, ran.err
    told = yaml.safe_load(Path("out.yaml").read_text())
    assert [(each["time"], each["file"], each["weight"]) for each in told["image"]] == [
        ("0", "0.png", 0.8),
        ("2", "1.png", 1.0),
    ]
    again = vedit("rerun", "out.yaml", "-o", "again.mp4")
    assert again.status == 0, again.err
    assert Path("again.mp4").read_bytes() == Path("out.mp4").read_bytes()
    dry = vedit("generate", "a cat", "--model", seeing, "--image", "0.png", "--dry-run")
    assert dry.status == 0, dry.err


def test_pictures_that_follow_each_other_are_one_condition(eyes: Backbone, looks: list[Path]) -> None:
    """So that many of them cost no more than one."""
    timed = tuple(f"{frame}:{looks[frame % 2]}" for frame in range(4))
    config = GenerateConfig(prompt="a cat", image=(*timed, str(looks[0])))
    moments = Moments(4, Fraction(8))
    (stage,) = stages(config, BlankClip(4, (64, 64), Fraction(8)), moments, Model.of(eyes.outline()))
    assert isinstance(stage, ShowPictures)
    assert [each.which for each in stage.shows] == [(0, 0, 0, 0), (0, 1, 0, 1)]
    assert stage.canvas is None
    with pytest.raises(ConfigError, match="expected each after the other"):
        stages(GenerateConfig(prompt="", image=timed[::-1]), stage.seen, moments, stage.model)  # type: ignore[arg-type]


def saved(folder: Path, kind: str) -> Path:
    """The same picture in many ways that files have."""
    picture = Image.new("RGB", (48, 32), (200, 60, 20))
    picture.paste((20, 60, 200), (24, 0, 48, 32))
    path = folder / f"{kind}.png"
    if kind == "cmyk":
        path = folder / "cmyk.jpg"
        picture.convert("CMYK").save(path, quality=95)
    elif kind == "palette":
        picture.convert("P", palette=Image.Palette.ADAPTIVE).save(path)
    elif kind == "alpha":
        picture.convert("RGBA").save(path)
    elif kind == "rotated":
        path = folder / "rotated.jpg"
        exif = Image.Exif()
        exif[0x0112] = 6  # lies on its side
        picture.rotate(90, expand=True).save(path, exif=exif, quality=95)
    elif kind == "webp":
        path = folder / "p.webp"
        picture.save(path, lossless=True)
    elif kind == "bmp":
        path = folder / "p.bmp"
        picture.save(path)
    else:
        picture.save(path)
    return path


@pytest.mark.parametrize("kind", ["plain", "cmyk", "palette", "alpha", "rotated", "webp", "bmp"])
def test_files_of_every_kind_look_the_same(kind: str, tmp_path: Path) -> None:
    expected, found = read_picture(saved(tmp_path, "plain")), read_picture(saved(tmp_path, kind))
    assert found.shape == expected.shape
    assert (found - expected).abs().mean() < 0.03


def test_sixteen_bits_are_read_whole(tmp_path: Path) -> None:
    grey = Image.new("I;16", (16, 16), 40_000)
    grey.save(tmp_path / "grey.png")
    assert abs(float(read_picture(tmp_path / "grey.png").mean()) - 40_000 / 65_535) < 0.01
