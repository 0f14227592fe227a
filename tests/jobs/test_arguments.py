"""What Python gives a job: of the right kind, or told what was expected; and models by their names."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import vedit
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.clip import Clip, read_clip
from vedit.config import ControlSettings, EditConfig
from vedit.errors import ConfigError, VeditWarning, WeightsError

QUICK: dict[str, Any] = {"steps": 2, "cache": False, "check_inversion": False}


@pytest.fixture
def clip(toy_clip: Path) -> Clip:
    return read_clip(toy_clip, frames=2)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda b, c: vedit.edit(None, c, "a"), "backbone is None; expected a Backbone .*or a model's name"),
        (lambda b, c: vedit.edit(c, b, "a"), "backbone is a vedit.Clip"),
        (lambda b, c: vedit.edit(b, c.numpy(), "a"), "clip is a numpy.ndarray; .*Clip.from_numpy"),
        (lambda b, c: vedit.edit(b, c.images(), "a"), "clip is a list; .*Clip.from_images"),
        (lambda b, c: vedit.edit(b, None, "a"), "clip is None; expected a Clip, or the path of one"),
        (lambda b, c: vedit.edit(b, c, b"a"), "prompt is a bytes; expected a str"),
        (lambda b, c: vedit.edit(b, c, None), "prompt is None"),
        (lambda b, c: vedit.tune(b, c), r"tune\(\) missing a required argument: 'prompt'; help"),
        (lambda b, c: vedit.edit(b, c, "a", "b"), "too many positional arguments"),
        (lambda b, c: vedit.generate(b, 3), "prompt is an int"),
        (lambda b, c: vedit.tune(b, c.frames, "a"), "clip is a torch.Tensor"),
        (lambda b, c: vedit.invert(3, c), "backbone is an int"),
        (lambda b, c: vedit.inspect(c, "edge"), "kind is a vedit.Clip; expected the name of an annotator"),
        (lambda b, c: vedit.inspect("edge", 3), "clip is an int"),
        (lambda b, c: vedit.inspect_audio(c), "audio is a vedit.Clip; expected the path of a sound file or a video"),
        (lambda b, c: vedit.edit(b, c, "a", progress=True), "progress is a bool; expected a function"),
        (lambda b, c: vedit.load_backbone(None), "named by a str or a path, not None"),
        (lambda b, c: b.embed("a cat"), "a list of one str or more, not 'a cat'"),
        (lambda b, c: b.encode(c), "a tensor .F, 3, H, W., not a vedit.Clip"),
        (lambda b, c: c.resized(64.0), "a whole number of pixels, or .height, width., not 64.0"),
        (lambda b, c: c.resized((8, 8, 3)), "not .8, 8, 3."),
        (lambda b, c: c.save("a.mp4", crf="18"), "crf is a whole number, not a str"),
        (lambda b, c: c.save("a.mp4", codec=None), "codec is a str, not None"),
        (lambda b, c: vedit.read_clip("a.mp4", frames=2.0), "frames is a whole number, not a float"),
    ],
)
def test_arguments_of_another_kind_are_told(backbone: Backbone, clip: Clip, call: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        call(backbone, clip)


def test_an_edit_without_words_needs_a_picture(backbone: Backbone, clip: Clip) -> None:
    with pytest.raises(ConfigError, match="the prompt is empty"):
        vedit.edit(backbone, clip)
    for shown in ({"image": "look.png"}, {"first": "edited.png"}):
        assert EditConfig.model_validate({"clip": "a.mp4", **shown}).prompt == ""


def test_an_edit_loads_the_model_that_is_named(toy_model: Path, clip: Clip, tmp_path: Path) -> None:
    expected = vedit.edit(load_backbone(toy_model, device="cpu", kernel="math"), clip, "a cat", **QUICK)
    for name in (toy_model, str(toy_model)):
        output = tmp_path / "a.mp4"
        found = vedit.edit(name, clip, "a cat", device="cpu", kernel="math", output=output, overwrite=True, **QUICK)
        assert torch.equal(found.clip.frames, expected.clip.frames)
        told = yaml.safe_load((tmp_path / "a.yaml").read_text())
        assert (told["kernel"], told["made_with"]["kernel"]) == ("math", "math")


def test_a_loaded_model_knows_what_it_was_loaded_with(toy_model: Path, clip: Clip) -> None:
    backbone = load_backbone(toy_model, device=torch.device("cpu"), dtype=torch.float32)
    config = vedit.edit(backbone, clip, "a cat", **QUICK).config
    assert (config.device, config.dtype) == ("cpu", "float32")


def test_a_mask_may_be_an_array_or_bool(backbone: Backbone, clip: Clip) -> None:
    mask = np.zeros((1, 1, 30, 46), bool)
    mask[..., 23:] = True
    masks = [mask, torch.from_numpy(mask), mask.astype(np.float64), torch.from_numpy(mask).float()]
    first, *others = (vedit.edit(backbone, clip, "a cat", mask=each, **QUICK).clip.frames for each in masks)
    assert all(torch.equal(each, first) for each in others)


def test_settings_of_their_own_may_be_given_alone(backbone: Backbone, clip: Clip) -> None:
    control = ControlSettings(kind="edge", net="no/such/net")
    with pytest.raises(WeightsError, match="no/such"):
        vedit.edit(backbone, clip, "a cat", control=control, **QUICK)


def test_every_job_takes_the_name_of_a_model(toy_model: Path, toy_clip: Path, tmp_path: Path) -> None:
    learnt = vedit.tune(str(toy_model), toy_clip, "red", frames=2, steps=2, output=tmp_path / "a.safetensors")
    assert vedit.Adapter.load(tmp_path / "a.safetensors").digest() == learnt.digest()
    assert list(tmp_path.iterdir()) == [tmp_path / "a.safetensors"]
    made = vedit.generate(toy_model, "a cat", frames=2, steps=2, adapter=tmp_path / "a.safetensors")
    assert len(made.clip) == 2
    with warnings.catch_warnings(action="ignore", category=VeditWarning):
        found = vedit.invert(toy_model, toy_clip, frames=2, steps=2, cache=False)
    assert len(found.clip) == 2
    assert found.output is None


def test_inversion_and_inspection_take_clips_and_write_what_is_asked(
    backbone: Backbone, clip: Clip, tmp_path: Path
) -> None:
    with warnings.catch_warnings(action="ignore", category=VeditWarning):
        found = vedit.invert(backbone, clip, steps=2, cache=False, output=tmp_path / "again.mp4")
    assert found.clip.size == clip.size
    assert read_clip(tmp_path / "again.mp4").size == clip.size
    edges = vedit.inspect("edge", clip)
    assert (edges.clip.size, edges.clip.rate, edges.files) == (clip.size, clip.rate, ())
    assert np.array_equal(edges.clip.numpy(), vedit.inspect("edge", clip, device="cpu").clip.numpy())
    asked = vedit.inspect("edge", clip, output=tmp_path / "edges.mp4", sheet=tmp_path / "edges.png")
    assert [path.name for path in asked.files] == ["edges.mp4", "edges.png"]


def test_a_sound_is_listened_to_and_written_where_asked(
    toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    heard = vedit.inspect_audio(toy_clip, fps=30, frames=5, audio_gain=2.0)
    assert (len(heard), heard.rate) == (5, 30)
    assert not list(tmp_path.iterdir())
    vedit.inspect_audio(str(toy_clip), fps=30, output="heard.png", save_data="heard.json")
    assert {path.name for path in tmp_path.iterdir()} == {"heard.png", "heard.json"}


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda m, c: vedit.edit(m, c, "a", stpes=2), ConfigError, "did you mean 'steps'"),
        (lambda m, c: vedit.edit(m, c, "a", model="mini"), ConfigError, "named already"),
        (lambda m, c: vedit.edit(m, c, "a", frames=2), ConfigError, "cut the Clip instead"),
        (lambda m, c: vedit.tune(m, c, "a", start=2), ConfigError, "cut the Clip instead"),
        (lambda m, c: vedit.invert("sd-15", c), WeightsError, "did you mean 'sd15'"),
        (lambda m, c: vedit.inspect("egde", c), ConfigError, "did you mean 'edge'"),
    ],
)
def test_what_settings_can_mend_is_an_error_of_vedits(
    toy_model: Path, clip: Clip, call: Any, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        call(toy_model, clip)
