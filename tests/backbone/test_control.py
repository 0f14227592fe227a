"""ControlNets beside a backbone, against diffusers' own pipeline, and what is refused."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from diffusers import ControlNetModel, DDIMScheduler, StableDiffusionControlNetPipeline
from torch import Tensor

from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.backbone.control import ControlNet, load_controlnet
from vedit.condition import Condition, enter
from vedit.entrances.residuals import AddResiduals
from vedit.errors import WeightsError
from vedit.priors.inversion import invert, reconstruct
from vedit.prompt import Prompt
from vedit.request import Request
from vedit.sampling.denoising import InjectionSource, denoise, noise
from vedit.sampling.guiders import ClassifierFree, Unguided
from vedit.sampling.prediction import Predictor
from vedit.windows import Windows

STEPS = 4
WEIGHTS = (0.8, 0.5)


def random_net(backbone: Backbone, seed: int) -> ControlNetModel:
    """Made for the backbone, and far from silent."""
    torch.manual_seed(seed)
    net = ControlNetModel.from_unet(backbone.unet, conditioning_channels=3)
    for block in (*net.controlnet_down_blocks, net.controlnet_mid_block):
        torch.nn.init.normal_(block.weight, std=0.05)
    torch.nn.init.normal_(net.controlnet_cond_embedding.conv_out.weight, std=0.05)
    return net.eval()


@pytest.fixture(scope="module")
def folders(sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    backbone, place = load_backbone(sd1, device="cpu"), tmp_path_factory.mktemp("nets")
    for seed in (1, 2):
        random_net(backbone, seed).save_pretrained(place / str(seed))
    return [place / "1", place / "2"]


def pictures(frames: int, seed: int) -> Tensor:
    return torch.rand(frames, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


def conditions(backbone: Backbone, nets: list[Path], frames: int = 1, **window: float) -> list[Condition]:
    made = []
    for number, folder in enumerate(nets):
        net, shown = load_controlnet("edge", str(folder), backbone), pictures(frames, number)
        envelope = torch.full((frames,), WEIGHTS[number])
        made.append(Condition(AddResiduals(partial(net, shown)), envelope, **window))
    return made


@pytest.mark.parametrize("count", [1, 2])
def test_one_frame_is_diffusers_controlnet_pipeline(sd1: Path, folders: list[Path], count: int) -> None:
    backbone = load_backbone(sd1, device="cpu")
    x = noise(5, 1, (4, 8, 8))
    guider = ClassifierFree(Prompt(backbone.embed(["a cat"])), Prompt(backbone.embed(["a dog"])), 5.0)
    acting = conditions(backbone, folders[:count], start=0.0, stop=0.75)
    ours = denoise(backbone, x, backbone.schedule(STEPS), guider, conditions=acting)

    plain = load_backbone(sd1, device="cpu")
    nets = [ControlNetModel.from_pretrained(folder).eval() for folder in folders[:count]]
    pipeline = StableDiffusionControlNetPipeline(
        vae=plain.vae, text_encoder=plain.text_encoder, tokenizer=plain.tokenizer, unet=plain.unet,
        controlnet=nets if count > 1 else nets[0], scheduler=DDIMScheduler.from_config(plain.scheduler_config),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    shown = [pictures(1, number) for number in range(count)]
    theirs = pipeline(
        "a cat", negative_prompt="a dog", image=shown if count > 1 else shown[0], latents=x, guidance_scale=5.0,
        num_inference_steps=STEPS, output_type="latent", return_dict=False, control_guidance_end=0.75,
        controlnet_conditioning_scale=list(WEIGHTS[:count]) if count > 1 else WEIGHTS[0],
    )[0]  # fmt: skip
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    without = denoise(backbone, x, backbone.schedule(STEPS), guider)
    assert (ours - without).abs().max() > 1e-2


def test_a_controlnet_sees_the_frames_as_the_unet_does(sd1: Path, folders: list[Path]) -> None:
    backbone = load_backbone(sd1, device="cpu")
    net, x, text = load_controlnet("edge", str(folders[0]), backbone), noise(0, 3, (4, 8, 8)), backbone.embed(["a cat"])
    shown = pictures(3, 0)
    alone = net(shown, x, 300, text)
    with backbone.attending("sparse_causal"):
        together = net(shown, x, 300, text)
    assert (alone.mid - together.mid).abs().max() > 1e-5
    assert torch.equal(net(shown, x, 300, text).mid, alone.mid)
    with backbone.attending("sparse_causal"):  # one frame has no others to see
        torch.testing.assert_close(net(shown[:1], x[:1], 300, text).mid, alone.mid[:1], atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("varying", [False, True])
def test_a_controlnet_looks_at_the_clips_first_frame_in_every_window(
    sd1: Path, folders: list[Path], varying: bool
) -> None:
    backbone = load_backbone(sd1, device="cpu")
    words = backbone.embed(["a cat", "a dog"])
    if varying:  # alike in the first frames, and then not
        words = words[torch.tensor([[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1]])]
    request, acting = Request(noise(0, 6, (4, 8, 8)), 300, Prompt(words)), conditions(backbone, folders, frames=6)
    other = Request(noise(1, 6, (4, 8, 8)), 300, Prompt(backbone.embed(["red"])))
    request, source = enter(acting, request, (0, 0.1)), enter(acting, other, (0, 0.1))
    found = []
    for windows in (None, Windows(4, 1)):
        with backbone.attending("first_frame", windows=windows):
            found.append(Predictor(backbone)(request, source))
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-4)


def test_branches_with_the_same_words_are_computed_once(sd1: Path, folders: list[Path]) -> None:
    backbone = load_backbone(sd1, device="cpu")
    net, x = load_controlnet("edge", str(folders[0]), backbone), noise(0, 2, (4, 8, 8))
    batches: list[int] = []
    net.net.conv_in.register_forward_hook(lambda _, __, output: batches.append(len(output)))
    cat, dog = backbone.embed(["a cat", "a dog"]).split(1)
    once, shown = net(pictures(2, 0), x, 300, cat), pictures(2, 0)
    same, both = net(shown, x, 300, torch.cat([cat, cat])), net(shown, x, 300, torch.cat([cat, dog]))
    assert batches == [2, 2, 4]
    assert torch.equal(same.mid, torch.cat([once.mid, once.mid]))
    torch.testing.assert_close(both.mid[:2], once.mid, atol=1e-5, rtol=1e-4)
    assert (both.mid[2:] - once.mid).abs().max() > 1e-5


def test_frames_may_stand_at_timesteps_of_their_own(sd1: Path, folders: list[Path]) -> None:
    backbone = load_backbone(sd1, device="cpu")
    net, x = load_controlnet("edge", str(folders[0]), backbone), noise(0, 2, (4, 8, 8))
    shown, text = pictures(2, 0), backbone.embed(["a cat", "a dog"])
    assert torch.equal(net(shown, x, torch.full((2,), 300), text).mid, net(shown, x, 300, text).mid)
    found = net(shown, x, torch.tensor([300, 20]), text).mid
    for frame, t in enumerate((300, 20)):
        alone = net(shown[frame, None], x[frame, None], t, text).mid  # of two branches
        torch.testing.assert_close(found[frame::2], alone, atol=1e-5, rtol=1e-4)


def test_frames_have_their_own_strength(sd1: Path, folders: list[Path]) -> None:
    backbone = load_backbone(sd1, device="cpu")
    (condition,) = conditions(backbone, folders[:1], frames=2)
    request = Request(noise(0, 2, (4, 8, 8)), 300, Prompt(backbone.embed(["a cat", "a dog"])))
    added = condition.entrance.enter(request, torch.ones(2)).residuals()
    scaled = condition.entrance.enter(request, torch.tensor([0.0, 2.0])).residuals()
    assert added is not None
    assert scaled is not None
    for before, after in zip((*added.down, added.mid), (*scaled.down, scaled.mid), strict=True):
        assert not after[0].any()
        assert not after[2].any()
        assert torch.equal(after[3], 2 * before[3])


def test_nets_that_do_not_fit_are_refused(sd1: Path, sd2: Path, folders: list[Path], tmp_path: Path) -> None:
    backbone = load_backbone(sd1, device="cpu")
    with pytest.raises(WeightsError, match="no ControlNet for 'flow' is known"):
        load_controlnet("flow", None, backbone)
    with pytest.raises(WeightsError, match="no folder and no hub id"):
        load_controlnet("edge", str(tmp_path / "nowhere"), backbone)
    with pytest.raises(WeightsError, match="is missing"):
        load_controlnet("edge", str(tmp_path), backbone)
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "UNet2DConditionModel"}))
    with pytest.raises(WeightsError, match="expected a ControlNetModel"):
        load_controlnet("edge", str(tmp_path), backbone)
    small = load_backbone("mini", device="cpu")
    with pytest.raises(WeightsError, match="do not belong"):
        load_controlnet("edge", str(folders[0]), small)
    with pytest.raises(WeightsError, match="do not belong"):
        ControlNet(ControlNetModel.from_unet(backbone.unet, conditioning_embedding_out_channels=(8, 16)), backbone)


def test_an_inversion_under_control_comes_back_under_it(sd1: Path, folders: list[Path]) -> None:
    backbone = load_backbone(sd1, device="cpu")
    acting = conditions(backbone, folders[:1], frames=2, stop=0.6)
    latents, text = noise(0, 2, (4, 8, 8)), backbone.embed(["a cat"])
    trace = invert(backbone, latents, text, 10, corrections=8, conditions=acting)
    guided, free = (reconstruct(backbone, trace, text, 10, conditions=each) for each in (acting, ()))
    assert (guided - latents).std() < 0.3 * (free - latents).std()
    # One correction of steps that begin with what the last was told, even where it was told under other controls.
    plain, once = (
        float((reconstruct(backbone, each, text, 10, conditions=acting) - latents).std())
        for each in (invert(backbone, latents, text, 10, corrections=times, conditions=acting) for times in (0, 1))
    )
    assert once < plain
    # The source that lends its layout is steered where its inversion was.
    lent = [InjectionSource(text, trace, 10, guided=guided) for guided in (True, False)]
    steered, free = (
        denoise(backbone, trace[-1], backbone.schedule(10), Unguided(Prompt(text)), conditions=acting, source=each)
        for each in lent
    )
    assert (steered - latents).std() < 0.3 * (free - latents).std()
