"""The backbone against diffusers' own pipelines: whatever joins frames must leave the rest as it was."""

from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel, UNetMotionModel
from torch import Tensor

from tests.backbone import toys
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.errors import MediaError, PartError
from vedit.prompt import Prompt
from vedit.sampling.denoising import denoise
from vedit.sampling.guiders import ClassifierFree

KINDS = ["per_frame", "sparse_causal", "first_frame", "full"]


@pytest.fixture(scope="module")
def three_levels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toys.sd_folder(tmp_path_factory.mktemp("models") / "three", levels=3)


@pytest.fixture
def backbone(sd1: Path) -> Backbone:
    return load_backbone(sd1, device="cpu")


def inputs(backbone: Backbone, frames: int, branches: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn((branches, frames, 4, 8, 8), generator=generator)
    return x, backbone.embed(["a dog", "a cat on a mat"][:branches])


@pytest.mark.parametrize("which", ["sd1", "sd2", "three_levels"])
def test_one_frame_equals_the_stable_diffusion_pipeline(which: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(which)
    backbone = load_backbone(folder, device="cpu")
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    side = 8 * backbone.vae_scale_factor
    x = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(3))
    expected = pipeline(
        "a cat on a mat", negative_prompt="a dog", num_inference_steps=6, guidance_scale=5.0, latents=x,
        height=side, width=side, output_type="np",
    ).images  # fmt: skip
    guider = ClassifierFree(Prompt(backbone.embed(["a cat on a mat"])), Prompt(backbone.embed(["a dog"])), 5.0)
    for kind in KINDS:
        with backbone.attending(kind):
            found = backbone.decode(denoise(backbone, x, backbone.schedule(6), guider))
        torch.testing.assert_close(found.permute(0, 2, 3, 1), torch.from_numpy(expected), atol=1e-4, rtol=0)


@pytest.mark.parametrize("version", [1, 2])
def test_a_motion_adapter_equals_unet_motion_model(tmp_path: Path, version: int) -> None:
    # Motion modules of published adapters have 32 norm groups, so the toy is 32 wide.
    folder = toys.sd_folder(tmp_path / "wide", width=32, unet={"norm_num_groups": 32})
    backbone = load_backbone(folder, device="cpu")
    adapter = toys.motion_adapter(folder, version)
    x, text = inputs(backbone, frames=4)
    plain = backbone.predict(x, 321, text)
    network = UNet2DConditionModel.from_pretrained(folder / "unet")
    theirs = UNetMotionModel.from_unet2d(network, toys.motion_adapter(folder, version)).eval()
    words = text.repeat_interleave(4, dim=0)  # as AnimateDiffPipeline hands them over
    with torch.no_grad():
        expected = theirs(x.transpose(1, 2), 321, encoder_hidden_states=words).sample.transpose(1, 2)
    backbone.layers.attach_motion(adapter)
    found = backbone.predict(x, 321, text)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert (found - plain).abs().max() > 1e-3
    backbone.layers.detach_motion()
    assert torch.equal(backbone.predict(x, 321, text), plain)


def test_attaching_and_detaching_changes_no_bit(backbone: Backbone) -> None:
    x, text = inputs(backbone, frames=3)
    before = backbone.predict(x, 500, text)
    names = set(backbone.unet.state_dict())
    backbone.layers.attach_temporal()
    assert any(name.endswith("attn_temp.to_q.weight") for name in backbone.unet.state_dict())
    torch.testing.assert_close(backbone.predict(x, 500, text), before, atol=0, rtol=0)  # silent until tuned
    with torch.no_grad():
        for name, parameter in backbone.unet.named_parameters():
            if "attn_temp.to_out" in name:
                parameter.normal_(std=0.2)
    assert (backbone.predict(x, 500, text) - before).abs().max() > 1e-3
    backbone.layers.detach_temporal()
    assert set(backbone.unet.state_dict()) == names
    assert torch.equal(backbone.predict(x, 500, text), before)
    backbone.layers.use_clip_wide_norm()
    assert not torch.equal(backbone.predict(x, 500, text), before)
    backbone.layers.use_per_frame_norm()
    assert torch.equal(backbone.predict(x, 500, text), before)


def test_plain_frames_equal_the_unet_frame_by_frame(backbone: Backbone) -> None:
    x, text = inputs(backbone, frames=3, branches=1)
    found = backbone.predict(x, 500, text)[0]
    for frame, expected in zip(x[0], found, strict=True):
        torch.testing.assert_close(backbone.predict(frame[None, None], 500, text)[0, 0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_each_kind_changes_three_frames_and_not_one(backbone: Backbone, kind: str) -> None:
    for frames, differs in ((3, True), (1, False)):
        x, text = inputs(backbone, frames)
        plain = backbone.predict(x, 500, text)
        with backbone.attending(kind):
            found = backbone.predict(x, 500, text)
        assert ((found - plain).abs().max() > 1e-3) == differs
        assert torch.equal(backbone.predict(x, 500, text), plain)  # restored on leaving


def test_first_frame_keeps_frame_zero(backbone: Backbone) -> None:
    x, text = inputs(backbone, frames=3)
    plain = backbone.predict(x, 500, text)
    with backbone.attending("first_frame"):
        torch.testing.assert_close(backbone.predict(x, 500, text)[:, 0], plain[:, 0], atol=1e-5, rtol=0)


def test_a_prompt_longer_than_the_tokenizer_is_read_in_chunks(backbone: Backbone) -> None:
    length = backbone.tokenizer.model_max_length
    long = " ".join(["a cat on a mat"] * length)
    assert backbone.embed(["a cat"]).shape[1] == length
    text = backbone.embed([long, "a cat"])
    assert text.shape[1] % length == 0
    assert text.shape[1] > length
    torch.testing.assert_close(text[1:, :length], backbone.embed(["a cat"]), atol=1e-5, rtol=0)


def test_frames_must_be_whole_patches(backbone: Backbone) -> None:
    with pytest.raises(MediaError, match=r"resized\(\(64, 56\)\)"):
        backbone.encode(torch.zeros(1, 3, 64, 60))


def test_an_unknown_kind_names_the_nearest(backbone: Backbone) -> None:
    with pytest.raises(PartError, match="sparse_causal"), backbone.attending("sparse_casual"):
        pass


def test_predict_leaves_the_unet_ready_for_others(sd1: Path) -> None:
    """With gradients on, which is torch's default, the bare UNet still takes any batch afterwards."""
    backbone = load_backbone(sd1, device="cpu")
    x, text = torch.randn(1, 4, 8, 8), backbone.embed(["a cat"])
    before = backbone.unet(x, 10, text).sample
    backbone.predict(torch.randn(1, 3, 4, 8, 8), 10, text)
    assert torch.equal(backbone.unet(x, 10, text).sample, before)


@torch.no_grad()
def test_frames_may_stand_at_timesteps_of_their_own(sd1: Path) -> None:
    backbone = load_backbone(sd1, device="cpu")
    x, text = torch.randn(2, 3, 4, 8, 8), backbone.embed(["a cat", "a dog"])
    alike = backbone.predict(x, 500, text)
    assert torch.equal(backbone.predict(x, torch.full((3,), 500), text), alike)
    assert torch.equal(backbone.predict(x, torch.full((2, 3), 500), text), alike)
    times = torch.tensor([900, 500, 20])
    found = backbone.predict(x, times, text)
    for frame, t in enumerate(times.tolist()):
        alone = backbone.predict(x[:, frame, None], t, text)
        torch.testing.assert_close(found[:, frame, None], alone, atol=1e-5, rtol=1e-4)
    turned = backbone.predict(x, torch.stack([times, times.flip(0)]), text)
    torch.testing.assert_close(turned[0], found[0], atol=1e-5, rtol=1e-4)
    assert (turned[1, 0] - found[1, 0]).abs().max() > 1e-3
