"""The whole edit, with a small model: what comes out, what is kept, and what is said."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
import torch
import yaml

import vedit as package
from tests.conftest import Ran
from tests.jobs.edits import edited
from vedit import quality
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.clip import Clip, probe, read_clip
from vedit.config import EditConfig
from vedit.errors import ConfigError, DeviceError, VeditWarning, WeightsError

Command = Callable[..., Ran]


def test_the_result_has_the_sources_size_rate_length_and_sound(
    vedit: Command, quick: tuple[object, ...], toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = vedit("edit", toy_clip, "a cat", *quick, "--sheet", "sheet.png")
    assert ran.status == 0, ran.err
    assert {path.name for path in tmp_path.iterdir()} == {"toy-edited.mp4", "toy-edited.yaml", "sheet.png"}
    made, source = probe("toy-edited.mp4"), probe(toy_clip)
    assert (made.size, made.rate, made.frames, made.has_sound) == (source.size, source.rate, source.frames, True)
    assert made.rate == Fraction(30000, 1001)
    assert "toy-edited.mp4  5 frames, 46x30, 29.97 fps, with sound" in ran.out


def test_settings_may_come_from_a_file(
    vedit: Command, toy_model: Path, toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(toy_clip, tmp_path / "in.mp4")
    job = tmp_path / "job.yaml"
    job.write_text(f"clip: in.mp4\nprompt: a cat\nmodel: {toy_model}\nsteps: 1\noutput: out.mkv\nframes: 4\n")
    monkeypatch.chdir("/")
    assert vedit("edit", "--config", job, "--frames", 2).status == 0
    assert probe(tmp_path / "out.mkv").frames == 2


def test_the_api_writes_nothing_and_leaves_the_backbone(backbone: Backbone, clip: Clip) -> None:
    before = {name: tensor.clone() for name, tensor in backbone.unet.state_dict().items()}
    stages = set()
    result = edited(backbone, clip, progress=lambda stage, done, total: stages.add(stage))
    assert result.clip.frames.shape == clip.frames.shape
    assert result.clip.rate == clip.rate
    assert result.files == ()
    expected = {"vae_db", "inversion_correction", "reconstruction_db", "inside_db", "inside_vae_db"}
    assert result.metrics.keys() == expected
    assert list(result.timings) == [
        "encoding", "finding cuts", "inversion", "inversion check", "denoising", "decoding",
    ]  # fmt: skip
    assert stages == {"inverting", "reconstructing", "denoising"}
    assert (result.config.attention, result.config.negative_prompt) == ("sparse_causal", "")
    after = backbone.unet.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert backbone.attention == "per_frame"


def test_the_api_takes_a_path_and_cuts_it(backbone: Backbone, toy_clip: Path, tmp_path: Path) -> None:
    result = edited(backbone, toy_clip, frames=2, start=1, stride=2, output=tmp_path / "out.gif", check_inversion=False)
    assert len(result.clip) == 2
    assert [path.name for path in result.files] == ["out.gif", "out.yaml"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": "sd15"}, "loaded already"),
        ({"device": "cpu", "dtype": "float32"}, "device, dtype"),
        ({"frames": 2}, "cut the Clip instead"),
        ({"stpes": 2}, "did you mean 'steps'"),
        ({"guidance": 101}, "expected 0..100"),
    ],
)
def test_the_api_refuses_what_it_would_not_heed(
    backbone: Backbone, clip: Clip, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        package.edit(backbone, clip, "a cat", **settings)


def test_numbers_that_are_none_are_told(backbone: Backbone, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbone, "predict", lambda x, t, text, **_: torch.full_like(x, float("nan")))
    with pytest.raises(DeviceError, match="inversion came out as NaN in float32"):
        edited(backbone, clip)


def test_guidance_1_asks_for_the_prompt_alone(backbone: Backbone, clip: Clip) -> None:
    plain = edited(backbone, clip, guidance=1, negative_prompt="a dog", check_inversion=False)
    other = edited(backbone, clip, guidance=1, negative_prompt="a bird", check_inversion=False)
    strong = edited(backbone, clip, guidance=9, negative_prompt="a dog", check_inversion=False)
    assert torch.equal(plain.clip.frames, other.clip.frames)
    assert not torch.equal(plain.clip.frames, strong.clip.frames)


def test_the_seed_matters_to_fresh_noise_only(backbone: Backbone, clip: Clip) -> None:
    def frames(prior: str, seed: int) -> torch.Tensor:
        return edited(backbone, clip, prior=prior, seed=seed).clip.frames

    assert torch.equal(frames("inversion", 0), frames("inversion", 1))
    assert torch.equal(frames("gaussian", 1), frames("gaussian", 1))
    assert not torch.equal(frames("gaussian", 0), frames("gaussian", 1))


def test_the_source_keeps_its_place_where_the_prompts_agree(backbone: Backbone, clip: Clip) -> None:
    assert "edited_share" not in edited(backbone, clip).metrics
    result = edited(backbone, clip, "a red cat", source_prompt="a red dog")
    assert 0 <= result.metrics["edited_share"] <= 1
    assert "edited_share" not in edited(backbone, clip, "a red cat", source_prompt="a red dog", mask="none").metrics


def test_tuning_before_the_edit(backbone: Backbone, clip: Clip) -> None:
    before = backbone.outline().state
    result = edited(backbone, clip, tune=2, source_prompt="a dog", check_inversion=False)
    assert "tuning" in result.timings
    assert not torch.equal(result.clip.frames, edited(backbone, clip, source_prompt="a dog").clip.frames)
    assert backbone.outline().state == before
    assert not backbone.layers.has_temporal


def test_tuning_and_its_adapter_make_the_same_edit_to_the_bit(
    backbone: Backbone, clip: Clip, toy_model: Path, tmp_path: Path
) -> None:
    tuned = edited(backbone, clip, tune=2, source_prompt="a dog", check_inversion=False)
    package.tune(backbone, clip, "a dog", steps=2, output=tmp_path / "a.safetensors")
    again = load_backbone(toy_model, device="cpu", adapter=tmp_path / "a.safetensors")
    assert torch.equal(edited(again, clip, check_inversion=False).clip.frames, tuned.clip.frames)


def test_an_adapter_brings_its_words(
    vedit: Command, backbone: Backbone, quick: tuple[object, ...], toy_model: Path, toy_clip: Path, tmp_path: Path
) -> None:
    adapter = tmp_path / "dog.safetensors"
    tuned = vedit("tune", toy_clip, "--prompt", "a dog", "--model", toy_model, "--steps", 2, "-o", adapter)
    assert tuned.status == 0, tuned.err
    assert vedit("edit", toy_clip, "a cat", *quick, "--adapter", adapter, "-o", tmp_path / "out.mp4").status == 0
    settled = yaml.safe_load((tmp_path / "out.yaml").read_text())
    assert settled["adapter"] == "dog.safetensors"
    assert (settled["source_prompt"], settled["negative_prompt"]) == ("a dog", "")
    result = edited(backbone, toy_clip, adapter=adapter, source_prompt="")
    assert result.config.source_prompt == ""


def test_the_gates_figure_is_measured_once(backbone: Backbone, clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    first = edited(backbone, clip)
    monkeypatch.setattr("vedit.stages.noise.reconstruct", lambda *_, **__: pytest.fail("measured again"))
    assert edited(backbone, clip).metrics == first.metrics
    assert "reconstruction_db" not in edited(backbone, clip, check_inversion=False).metrics
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        edited(backbone, clip, cache=False)


def test_the_gate_measures_only_what_is_in_doubt(
    backbone: Backbone, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "DOUBTFUL_CORRECTION", 1e9)
    steady = edited(backbone, clip, cache=False)
    assert "reconstruction_db" not in steady.metrics
    assert "reconstruction_db" in edited(backbone, clip, cache=False, inversion_corrections=0).metrics
    monkeypatch.setattr(quality, "DOUBTFUL_CORRECTION", steady.metrics["inversion_correction"])
    assert "reconstruction_db" in edited(backbone, clip, cache=False).metrics
    assert edited(backbone, clip, cache=False).metrics["inversion_correction"] == steady.metrics["inversion_correction"]


def test_a_clip_unlike_the_models_own_is_told(toy_model: Path, clip: Clip, tmp_path: Path) -> None:
    model = shutil.copytree(toy_model, tmp_path / "model")
    (model / "vedit.json").write_text(json.dumps({"vae_floor_db": 90, "about": "drawn scenes"}))
    backbone = load_backbone(model, device="cpu")
    with pytest.warns(VeditWarning, match=r"not like what .* \(drawn scenes\).*expected 90 or more.*--model"):
        package.edit(backbone, clip, "a cat", steps=1, check_inversion=False)
    (model / "vedit.json").write_text(json.dumps({"vae_floor_db": 1}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        package.edit(load_backbone(model, device="cpu"), clip, "a cat", steps=1, check_inversion=False)
    (model / "vedit.json").write_text(json.dumps({"vae_floor": 1}))
    with pytest.raises(WeightsError, match="vae_floor"):
        load_backbone(model, device="cpu")


def test_a_cache_that_cannot_be_used_is_told_and_done_without(
    backbone: Backbone, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VEDIT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(VeditWarning, match="going on without it"):
        package.edit(backbone, clip, "a cat", steps=1, check_inversion=False)


def test_the_config_is_the_definition_of_the_settings(backbone: Backbone, clip: Clip) -> None:
    config = edited(backbone, clip, seed=3).config
    assert isinstance(config, EditConfig)
    assert (config.seed, config.model) == (3, backbone.name)


def test_outside_of_the_mask_lie_the_clips_own_pixels_at_their_own_size(backbone: Backbone, clip: Clip) -> None:
    mask = torch.zeros(3, 1, *clip.size)
    mask[..., : clip.size[1] // 3] = 1
    result = edited(backbone, clip, mask=mask, prior="gaussian", check_inversion=False)
    right = slice(38, None)
    assert torch.equal(result.clip.frames[..., right], clip.frames[..., right])
    assert not torch.allclose(result.clip.frames[..., :8], clip.frames[..., :8], atol=0.05)
    without = edited(backbone, clip, mask=mask, prior="gaussian", check_inversion=False, paste=False)
    assert not torch.allclose(without.clip.frames[..., right], clip.frames[..., right], atol=0.01)
    assert without.metrics["outside_db"] < result.metrics["outside_db"]


def test_a_file_is_read_again_for_its_own_pixels(backbone: Backbone, toy_clip: Path) -> None:
    result = edited(
        backbone, toy_clip, mask="box:0,0,0.4,1", prior="gaussian", check_inversion=False, start=1, frames=2
    )
    own = read_clip(toy_clip, start=1, frames=2).frames
    assert torch.equal(result.clip.frames[..., 38:], own[..., 38:])


def test_guidance_may_vary_in_time(backbone: Backbone, clip: Clip) -> None:
    settings = {"prior": "gaussian", "mask": "none", "inject": 0.0, "attention": "per_frame", "check_inversion": False}
    varied = edited(backbone, clip, guidance="0:1, 2:9", **settings).clip.frames
    steady = [edited(backbone, clip, guidance=scale, **settings).clip.frames for scale in (1.0, 5.0, 9.0)]
    for frame in range(3):
        torch.testing.assert_close(varied[frame], steady[frame][frame], atol=2e-3, rtol=0)
    with pytest.raises(ConfigError, match="is 120 in frame 2; expected 0 to 100"):
        edited(backbone, clip, guidance="0:1, 2:120", **settings)


def test_an_edit_takes_on_the_sound_it_follows(
    vedit: Command, quick: tuple[object, ...], toy_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, flags in {"own": (), "other": ("--audio", toy_clip), "mix": ("--audio", toy_clip, "--audio-mix")}.items():
        flags = (*flags, "--audio-start", 0.05) if flags else ()
        ran = vedit("edit", toy_clip, "a cat", *quick, *flags, "-o", f"{name}.mp4", "--prior", "gaussian")
        assert ran.status == 0, ran.err
    own, other, mix = (read_clip(f"{name}.mp4") for name in ("own", "other", "mix"))
    for each in (own, other, mix):
        assert each.audio is not None
        assert abs(each.audio.duration - each.duration) <= 1 / each.rate
    assert own.audio is not None
    assert other.audio is not None
    assert not torch.allclose(own.audio.samples, other.audio.samples, atol=1e-3)


def test_a_models_notes_say_what_suits_its_edits_and_what_is_given_wins(
    toy_model: Path, toy_clip: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(toy_model, tmp_path / "model"))
    (model / "vedit.json").write_text(json.dumps({"edit": {"guidance": 3, "guidance_interval": "0-0.5", "steps": 4}}))
    made = package.edit(model, toy_clip, "a cat", source_prompt="a dog", frames=2, steps=2).config
    assert (made.guidance, made.guidance_interval, made.steps) == (3, "0-0.5", 2)
    (model / "vedit.json").write_text(json.dumps({"edit": {"guidance": "much"}}))
    with pytest.raises(WeightsError, match=r"vedit.json: edit"):
        package.edit(model, toy_clip, "a cat", frames=2, steps=1)
