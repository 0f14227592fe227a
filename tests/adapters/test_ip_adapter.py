"""IP-Adapters: parity with diffusers' own pipeline, files of every kind, and what they leave behind."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPImageProcessor, CLIPTextModel, CLIPTokenizer, CLIPVisionModelWithProjection

from tests.adapters import images
from tests.adapters.test_on_and_off import assert_same, state
from tests.backbone import toys
from vedit.adapters import ip_adapter
from vedit.adapters.image_files import ImageFiles
from vedit.adapters.ip_adapter import IPAdapter, LayerProjections, chosen_layers, cross_attention
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.backbone.control import load_controlnet, reads_words
from vedit.backbone.image_encoder import load_image_encoder, shown
from vedit.clip.images import frame_of
from vedit.condition import Condition
from vedit.entrances.image_tokens import ImageTokens
from vedit.errors import ConfigError, WeightsError
from vedit.prompt import Prompt
from vedit.request import Request
from vedit.sampling.denoising import denoise
from vedit.sampling.guiders import ClassifierFree, Unguided
from vedit.sampling.prediction import predict

PROMPT, NEGATIVE, STEPS, SCALE = "a red cat", "a", 3, 4.0
FLOAT, CPU = torch.float32, torch.device("cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide enough for AnimateDiff's 32 groups."""
    return toys.sd_folder(tmp_path_factory.mktemp("models") / "wide", width=32, layers=1, levels=3)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return images.encoder_folder(tmp_path_factory.mktemp("encoder") / "image_encoder")


@pytest.fixture
def backbone(model: Path) -> Backbone:
    return load_backbone(model, device="cpu")


def conditions(
    adapter: IPAdapter, encoder: Path, shown_ones: list[Any], weights: list[float], frames: int = 1, **more: Any
) -> list[Condition]:
    """One for each picture, the same in all frames."""
    eyes = load_image_encoder(encoder, CPU, FLOAT)
    none = eyes.look_at_none()
    found = []
    for index, (picture, weight) in enumerate(zip(shown_ones, weights, strict=True)):
        seen = eyes.look(shown(frame_of(picture)[None], eyes.side))
        tokens, negative = (adapter.tokens(each.pooled, each.states).expand(frames, -1, -1) for each in (seen, none))
        mask = more["masks"][index][None, None].expand(frames, -1, -1, -1) if "masks" in more else None
        entrance = ImageTokens(tokens, negative, adapter.keys_and_values(range(99)), mask)
        found.append(Condition(entrance, torch.full((frames,), weight), adapter=adapter))
    return found


def ours(backbone: Backbone, shown_to: list[Condition], latents: Tensor) -> Tensor:
    words = [Prompt(backbone.embed([each])) for each in (PROMPT, NEGATIVE)]
    with backbone.attending("per_frame"):
        return denoise(backbone, latents, backbone.schedule(STEPS), ClassifierFree(*words, SCALE), conditions=shown_to)


def theirs(
    model: Path, encoder: Path, file: Path, shown_ones: list[Any], weights: list[float], latents: Tensor, **more: Any
) -> Tensor:
    """diffusers' own pipeline."""
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(model / "vae"),
        text_encoder=CLIPTextModel.from_pretrained(model / "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(model / "tokenizer"),
        unet=UNet2DConditionModel.from_pretrained(model / "unet"),
        scheduler=DDIMScheduler.from_pretrained(model / "scheduler"),
        safety_checker=None,
        feature_extractor=CLIPImageProcessor(
            size={"height": images.SIDE, "width": images.SIDE}, do_resize=False, do_center_crop=False
        ),
        image_encoder=CLIPVisionModelWithProjection.from_pretrained(encoder),
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_ip_adapter(str(file.parent), subfolder="", weight_name=file.name, image_encoder_folder=None)
    several = len(shown_ones) > 1
    pipeline.set_ip_adapter_scale([weights] if several else weights[0])
    side = 8 * latents.shape[-1]
    if several:
        masks = more.get("masks") or [torch.ones(side, side)] * len(shown_ones)
        more = {"cross_attention_kwargs": {"ip_adapter_masks": [torch.stack(masks)[None]]}}
    return pipeline(
        PROMPT, negative_prompt=NEGATIVE, latents=latents.clone(), height=side, width=side, num_inference_steps=STEPS,
        guidance_scale=SCALE, ip_adapter_image=[shown_ones], output_type="latent", **more,
    ).images  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # diffusers' own, of its loading
@pytest.mark.parametrize("kind", ["base", "plus", "full-face"])
@pytest.mark.parametrize("count", [1, 2])
def test_parity_with_diffusers(
    kind: str, count: int, model: Path, encoder: Path, backbone: Backbone, tmp_path: Path
) -> None:
    """At one frame, of one and two pictures, with and without motion modules, which must not shift the numbers of the
    layers; and the adapter comes off to the bit."""
    file = images.save(images.original(backbone.unet, kind), tmp_path / "adapter.safetensors")
    latents = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(2))
    looked_at, weights = images.pictures(count), [0.7, 0.4][:count]
    expected = theirs(model, encoder, file, looked_at, weights, latents)
    adapter, before = IPAdapter.read(file), state(backbone)
    found = ours(backbone, conditions(adapter, encoder, looked_at, weights), latents)
    assert_same(state(backbone), before)
    assert (found - expected).abs().max() <= 1e-4
    plain = ours(backbone, [], latents)
    assert (found - plain).abs().max() > 1e-2
    schedule = backbone.scheduler_config
    backbone.layers.attach_motion(toys.motion_adapter(model))
    assert backbone.scheduler_config == schedule
    assert (ours(backbone, conditions(adapter, encoder, looked_at, weights), latents) - expected).abs().max() <= 1e-4
    backbone.layers.attach_temporal()
    assert (ours(backbone, conditions(adapter, encoder, looked_at, weights), latents) - expected).abs().max() <= 1e-4


@pytest.mark.filterwarnings("ignore")
def test_masks_agree_with_diffusers_on_halves(model: Path, encoder: Path, backbone: Backbone, tmp_path: Path) -> None:
    """On the halves of a picture diffusers' way of shrinking masks and ours are the same."""
    file = images.save(images.original(backbone.unet, "base"), tmp_path / "adapter.safetensors")
    latents = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(2))
    looked_at, weights = images.pictures(2), [0.7, 0.9]
    left = torch.zeros(64, 64)
    left[:, :32] = 1
    halves = [left, 1 - left]
    expected = theirs(model, encoder, file, looked_at, weights, latents, masks=halves)
    masks = [each[::8, ::8] for each in halves]
    found = ours(backbone, conditions(IPAdapter.read(file), encoder, looked_at, weights, masks=masks), latents)
    assert (found - expected).abs().max() <= 1e-4


def diffusers_names(unet: UNet2DConditionModel, file: Path) -> dict[str, Tensor]:
    """What a UNet of diffusers holds of an adapter that it has loaded."""
    parts: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in load_file(file).items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    unet._load_ip_adapter_weights([parts], low_cpu_mem_usage=False)
    held = unet.state_dict()
    return {name: each.clone() for name, each in held.items() if "_ip." in name or name.startswith("encoder_hid_proj.")}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["base", "plus", "full-face"])
def test_files_of_both_codes_are_the_same_adapter(kind: str, model: Path, backbone: Backbone, tmp_path: Path) -> None:
    made = images.original(backbone.unet, kind)
    files = [images.save(made, tmp_path / name) for name in ("adapter.safetensors", "adapter.bin")]
    named = diffusers_names(UNet2DConditionModel.from_pretrained(model / "unet"), files[0])
    save_file(named, tmp_path / "diffusers.safetensors")
    pooled, states = torch.randn(2, images.POOLED), torch.randn(2, images.PATCHES, images.STATES)
    first, *others = (IPAdapter.read(each) for each in (*files, tmp_path / "diffusers.safetensors"))
    for other in others:
        torch.testing.assert_close(other.tokens(pooled, states), first.tokens(pooled, states))
        assert all(
            torch.equal(a, b)
            for one, two in zip(first.layers, other.layers, strict=True)
            for a, b in zip(one, two, strict=True)
        )


def test_it_nests_and_can_be_put_on_for_good(backbone: Backbone, tmp_path: Path) -> None:
    adapter = IPAdapter.read(images.save(images.original(backbone.unet, "base"), tmp_path / "a.bin"))
    before = state(backbone)
    with adapter.on(backbone):
        once = state(backbone)
        assert once["told"] != before["told"], "its name tells that it is on"
        with adapter.on(backbone):
            assert_same(state(backbone), once)
        assert_same(state(backbone), once)
    assert_same(state(backbone), before)


@pytest.mark.parametrize("kind", ["full", "sparse_causal"])
def test_it_acts_beside_attention_kinds_and_frame_by_frame(
    kind: str, backbone: Backbone, encoder: Path, tmp_path: Path
) -> None:
    """A weight of 0 in a frame is as if the picture were not there, where frames do not see each other."""
    adapter = IPAdapter.read(images.save(images.original(backbone.unet, "base"), tmp_path / "a.bin"))
    latents = torch.randn((3, 4, 8, 8), generator=torch.Generator().manual_seed(2))
    (shown_to,) = conditions(adapter, encoder, images.pictures(1), [1.0], frames=3)
    words = Unguided(Prompt(backbone.embed([PROMPT])))

    def made(weights: list[float], attention: str) -> Tensor:
        condition = Condition(shown_to.entrance, torch.tensor(weights), adapter=adapter)
        with backbone.attending(attention):
            return denoise(backbone, latents, backbone.schedule(2), words, conditions=[condition])

    plain, some, all_of_it = (made(each, "per_frame") for each in ([0.0] * 3, [0.0, 1.0, 0.0], [1.0] * 3))
    torch.testing.assert_close(some[[0, 2]], plain[[0, 2]], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(some[1], all_of_it[1], atol=1e-5, rtol=1e-4)
    assert (made([1.0] * 3, kind) - made([0.0] * 3, kind)).abs().max() > 1e-2


def test_a_picture_to_lead_away_from_is_in_that_branch_alone(backbone: Backbone, encoder: Path, tmp_path: Path) -> None:
    adapter = IPAdapter.read(images.save(images.original(backbone.unet, "base"), tmp_path / "a.bin"))
    (shown_to,) = conditions(adapter, encoder, images.pictures(1), [1.0])
    entrance = shown_to.entrance
    assert isinstance(entrance, ImageTokens)
    away = ImageTokens(entrance.tokens, None, entrance.keys_and_values, led_away_from=True)
    latents = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(2))
    plain = ours(backbone, [], latents)
    assert (ours(backbone, [Condition(away, torch.ones(1), adapter=adapter)], latents) - plain).abs().max() > 1e-2
    words = Unguided(Prompt(backbone.embed([PROMPT])))
    alone, none = (
        denoise(backbone, latents, backbone.schedule(2), words, conditions=each)
        for each in ([Condition(away, torch.ones(1), adapter=adapter)], [])
    )
    torch.testing.assert_close(alone, none)


def test_layers_by_name_and_by_number(backbone: Backbone) -> None:
    names = list(cross_attention(backbone.unet))
    assert [name.split(".")[0] for name in names] == ["down_blocks"] * 2 + ["up_blocks"] * 4 + ["mid_block"]
    assert chosen_layers(backbone.unet, "all") == frozenset(range(7))
    assert [names[each] for each in chosen_layers(backbone.unet, "layout")] == [
        "down_blocks.1.attentions.0.transformer_blocks.0"
    ]
    assert [names[each] for each in chosen_layers(backbone.unet, "style")] == [
        "up_blocks.1.attentions.1.transformer_blocks.0"
    ]
    assert chosen_layers(backbone.unet, (0, 6)) == {0, 6}
    with pytest.raises(ConfigError, match="there is no layer 7"):
        chosen_layers(backbone.unet, (1, 7))


def damaged(kind: str, backbone: Backbone) -> dict[str, dict[str, Tensor]]:
    """An adapter that is not what it should be."""
    made = images.original(backbone.unet, "base")
    if kind == "of a face's identity":
        made["image_proj"] = {
            "proj.0.weight": torch.ones(8, 8),
            "proj.2.weight": torch.ones(8, 8),
            "norm.weight": torch.ones(8),
        }
    if kind == "of both":
        made["image_proj"]["perceiver_resampler.proj_in.weight"] = torch.ones(2, 2)
    if kind == "of nothing known":
        made["image_proj"] = {"mystery": torch.ones(2)}
    if kind == "without layers":
        made["ip_adapter"] = {}
    if kind == "with a layer missing":
        del made["ip_adapter"]["3.to_k_ip.weight"]
    if kind == "with other tensors":
        made["ip_adapter"]["3.to_z.weight"] = torch.ones(2, 2)
    if kind == "with NaN":
        made["ip_adapter"]["3.to_k_ip.weight"][0] = torch.nan
    return made


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("of a face's identity", "base, plus, plus-face, full-face"),
        ("of both", "base, plus, plus-face, full-face"),
        ("of nothing known", "base, plus, plus-face, full-face"),
        ("without layers", "is no IP-Adapter"),
        ("with a layer missing", "lacks layers"),
        ("with other tensors", "of no IP-Adapter known here"),
        ("with NaN", "holds NaN"),
    ],
)
def test_others_are_refused(kind: str, said: str, backbone: Backbone, tmp_path: Path) -> None:
    file = images.save(damaged(kind, backbone), tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match=said):
        IPAdapter.read(file)


def test_halves_of_a_layer_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    place = "encoder_hid_proj.image_projection_layers.0"
    shapes = {"to_k": (2, 2), "to_v": (2, 3)}
    halves = {f"{place}.layers.0.attn.{half}.weight": torch.ones(shape) for half, shape in shapes.items()}
    save_file({**halves, "mid_block.attn2.processor.to_k_ip.0.weight": torch.ones(2, 2)}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match="of unlike shapes"):
        IPAdapter.read(tmp_path / "a.safetensors")
    norm = {f"{place}.norm.weight": torch.tensor(1.0), f"{place}.ff.net.2.weight": torch.ones(2, 2)}
    save_file({**norm, "mid_block.attn2.processor.to_k_ip.0.weight": torch.ones(2, 2)}, tmp_path / "b.safetensors")
    with pytest.raises(WeightsError):
        IPAdapter.read(tmp_path / "b.safetensors")


def test_one_that_cannot_be_put_on_whole_leaves_nothing(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = IPAdapter.read(images.save(images.original(backbone.unet, "base"), tmp_path / "a.safetensors"))
    before = [name for name, _ in backbone.unet.named_modules()], backbone.fingerprint
    made = ip_adapter.LayerProjections

    def until_memory_ends(number: int, *own: Tensor) -> LayerProjections:
        if number:
            raise MemoryError
        return made(number, *own)

    monkeypatch.setattr(ip_adapter, "LayerProjections", until_memory_ends)
    with pytest.raises(MemoryError):
        adapter.put_on(backbone)
    assert ([name for name, _ in backbone.unet.named_modules()], backbone.fingerprint) == before


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    touched = tmp_path / "touched"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(touched),)

    torch.save({"image_proj": {"proj.weight": torch.ones(2, 2)}, "ip_adapter": Evil()}, tmp_path / "evil.bin")
    with pytest.raises(WeightsError, match="could run code when opened"):
        IPAdapter.read(tmp_path / "evil.bin")
    assert not touched.exists()


def test_what_was_made_for_another_model_changes_nothing(backbone: Backbone, sd1: Path, tmp_path: Path) -> None:
    adapter = IPAdapter.read(images.save(images.original(load_backbone(sd1).unet, "base"), tmp_path / "a.bin"))
    before = state(backbone)
    with pytest.raises(WeightsError, match="made for another layout"), adapter.on(backbone):
        pass
    assert_same(state(backbone), before)
    with pytest.raises(WeightsError, match="looks through an image encoder of 24 numbers"):
        adapter.tokens(torch.ones(1, 8), torch.ones(1, 3, 8))


def test_where_its_files_are(model: Path, encoder: Path, backbone: Backbone, tmp_path: Path) -> None:
    file = images.save(images.original(backbone.unet, "base"), tmp_path / "a.bin")
    with pytest.raises(WeightsError, match="no image encoder beside"):
        ImageFiles.of(str(file), None, backbone)
    assert ImageFiles.of(str(file), str(encoder), backbone) == ImageFiles(file, encoder)
    images.encoder_folder(tmp_path / "image_encoder")
    assert ImageFiles.of(str(file), None, backbone) == ImageFiles(file, tmp_path / "image_encoder")
    with pytest.raises(WeightsError, match="did you mean 'plus'"):
        ImageFiles.of("pluss", None, backbone)
    with pytest.raises(WeightsError, match="no IP-Adapter is known that fits this model"):
        ImageFiles.of(None, None, backbone)


def test_a_controlnet_beside_it_hears_the_text_alone(backbone: Backbone, encoder: Path, tmp_path: Path) -> None:
    """One that reads words says the same of them, whether pictures are shown to the UNet or not."""
    width = backbone.unet.config.cross_attention_dim
    toys.controlnet_folder(backbone.unet, tmp_path / "net", backbone.vae_scale_factor)
    net = load_controlnet("edge", str(tmp_path / "net"), backbone)
    assert reads_words(net.net)
    adapter = IPAdapter.read(images.save(images.original(backbone.unet, "base"), tmp_path / "a.bin"))
    (shown_to,) = conditions(adapter, encoder, images.pictures(1), [1.0])
    generator = torch.Generator().manual_seed(2)
    latents, picture = torch.randn((1, 4, 8, 8), generator=generator), torch.rand((1, 3, 64, 64), generator=generator)
    plain = Request(latents, 300, Prompt(backbone.embed([NEGATIVE, PROMPT])), controls=(partial(net, picture),))
    looked = shown_to.entrance.enter(plain, torch.ones(1))
    assert looked.tokens_apart[0].tokens.shape == (2, 1, 4, width)
    with torch.no_grad(), adapter.on(backbone):
        one, other = plain.residuals(), looked.residuals()
        seen, unseen = predict(backbone, looked), predict(backbone, plain)
    assert one is not None
    assert other is not None
    assert torch.equal(one.mid, other.mid)
    assert all(torch.equal(a, b) for a, b in zip(one.down, other.down, strict=True))
    assert (seen - unseen).abs().max() > 1e-3
