"""What every part promises, whoever wrote it: one test over all kinds in the registry, present and future."""

import inspect
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from vedit import registry
from vedit.adapters.loading import load_backbone
from vedit.annotators import Annotator, FrameByFrame
from vedit.backbone import Backbone
from vedit.clip import Clip, read_clip
from vedit.clip.lazy import LazyClip
from vedit.errors import PartError, WeightsError
from vedit.flow import estimate_flow
from vedit.priors import PriorInputs
from vedit.sampling import noise

PARTS = [(family, kind) for family in registry.TABLES for kind in registry.names(family)]


@pytest.fixture(scope="module")
def backbone(sd1: Path) -> Backbone:
    return load_backbone(sd1, device="cpu")


@pytest.mark.parametrize(("family", "kind"), PARTS)
def test_every_part_can_be_made_and_says_what_it_is(family: str, kind: str) -> None:
    part = registry.load(family, kind)
    assert inspect.isclass(part)
    assert (part.__doc__ or "").strip()
    assert kind.isidentifier()
    assert kind == kind.lower()
    part()  # every part has defaults


@pytest.mark.parametrize("kind", registry.names("annotators"))
def test_annotators_draw_every_frame_at_the_clips_size_and_repeat(
    kind: str, toy_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    part = registry.load("annotators", kind)()
    assert isinstance(part, Annotator)
    assert isinstance(part.options, part.Options)
    clip = read_clip(toy_clip, frames=3, size=92)
    try:
        drawn = part.annotate(clip).frames
    except (PartError, WeightsError) as error:
        pytest.skip(f"says what it lacks: {error}")
    assert drawn.shape == clip.frames.shape
    assert drawn.dtype == torch.float32
    assert drawn.min() >= 0.0
    assert drawn.max() <= 1.0
    assert torch.equal(part.annotate(clip).frames, drawn)
    if isinstance(part, FrameByFrame):
        assert torch.equal(part.annotate(LazyClip.of(clip)).frames, drawn)
    alone = Clip(clip.frames[:1], clip.rate)
    assert part.annotate(alone).frames.shape == alone.frames.shape


@pytest.mark.parametrize("kind", registry.names("attention"))
def test_attention_kinds_gather_for_every_frame(kind: str) -> None:
    part = registry.load("attention", kind)()
    tokens = torch.randn(2, 5, 6, 8)
    gathered = part.gather(tokens)
    assert gathered.shape[:2] == (2, 5)
    assert gathered.shape[2] % 6 == 0
    assert gathered.shape[3] == 8
    assert gathered.dtype == tokens.dtype
    # Branches do not see each other, and one frame alone sees itself.
    assert torch.equal(part.gather(tokens[:1]), gathered[:1])
    assert torch.equal(part.gather(tokens[:, :1]).reshape(2, 1, -1, 6, 8)[:, :, 0], tokens[:, :1])


@pytest.mark.parametrize("kind", registry.names("priors"))
def test_priors_start_from_noise_and_repeat(kind: str, backbone: Backbone) -> None:
    latents, text = noise(0, 3, (4, 8, 8)), backbone.embed(["a cat"])
    schedule, flow = backbone.schedule(4), estimate_flow(torch.rand(3, 3, 16, 16))

    def start(seed: int) -> torch.Tensor:
        given = PriorInputs(latents, text, schedule, seed=seed, flow=flow)
        made = registry.load("priors", kind)().start(backbone, given)
        assert made.noise.shape == latents.shape
        if made.trace is not None:
            assert made.trace.shape == (5, *latents.shape)
            assert torch.equal(made.trace[0], latents)
            assert torch.equal(made.trace[-1], made.noise)
        return made.noise

    assert torch.equal(start(1), start(1))
    assert torch.isfinite(start(1)).all()
