"""What every part promises, whoever wrote it: one test over all kinds in the registry, present and future."""

from fractions import Fraction
from pathlib import Path
from typing import get_args

import pytest
import torch

from vedit import registry
from vedit.adapters.loading import load_backbone
from vedit.annotators import ANNOTATORS, Annotator, FrameByFrame, FromFlow
from vedit.attention.kinds import ATTENTION, AttentionKind
from vedit.backbone import Backbone
from vedit.clip import Clip, read_clip
from vedit.clip.lazy import LazyClip
from vedit.conditioners import CONDITIONERS, Conditioner
from vedit.config import Settings
from vedit.errors import ConfigError, MediaError, PartError, WeightsError
from vedit.flow import estimate_flow
from vedit.part import Family, Need, Part
from vedit.priors import PRIORS, Prior, PriorInputs
from vedit.sampling.denoising import noise
from vedit.timeline import Moments

FAMILIES = (ANNOTATORS, ATTENTION, CONDITIONERS, PRIORS)
PARTS = [(family, kind) for family in registry.TABLES for kind in registry.names(family)]


@pytest.fixture(scope="module")
def backbone(sd1: Path) -> Backbone:
    return load_backbone(sd1, device="cpu")


@pytest.mark.parametrize(("family", "kind"), PARTS)
def test_every_part_can_be_made_and_says_what_it_is(family: str, kind: str) -> None:
    part = registry.load(family, kind)
    assert issubclass(part, Part)
    assert (part.__doc__ or "").strip()
    assert kind.isidentifier()
    assert kind == kind.lower()
    assert part.needs <= {*get_args(Need)}
    assert issubclass(part.Options, Settings)
    assert all(field.description for field in part.Options.model_fields.values()), "every option says what it does"
    made = part()  # every part has defaults
    assert isinstance(made.options, part.Options)
    assert part(made.options).options is made.options


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_makes_its_parts_of_their_options(family: Family[Part]) -> None:
    for kind in registry.names(family.name):
        assert type(family.make(kind)) is family.load(kind)
        with pytest.raises(ConfigError, match=f"{kind}: no_such_option"):
            family.make(kind, {"no_such_option": 1})


@pytest.mark.parametrize("kind", registry.names("annotators"))
def test_annotators_draw_every_frame_at_the_clips_size_and_repeat(kind: str, toy_clip: Path) -> None:
    part = ANNOTATORS.make(kind)
    assert isinstance(part, Annotator)
    assert "clip" in part.needs
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
    if isinstance(part, FromFlow):
        assert torch.equal(part.draw(estimate_flow(clip.frames, part.options.method)).frames, drawn)
    assert isinstance(part, FromFlow) == ("flow" in part.needs)
    if isinstance(part, FrameByFrame):
        assert torch.equal(part.annotate(LazyClip.of(clip)).frames, drawn)
    alone = Clip(clip.frames[:1], clip.rate)
    assert part.annotate(alone).frames.shape == alone.frames.shape


@pytest.mark.parametrize("kind", registry.names("attention"))
def test_attention_kinds_gather_for_every_frame(kind: str) -> None:
    part = ATTENTION.make(kind)
    assert isinstance(part, AttentionKind)
    tokens = torch.randn(2, 5, 6, 8)
    gathered = part.gather(tokens)
    assert gathered.shape[:2] == (2, 5)
    assert gathered.shape[2] % 6 == 0
    assert gathered.shape[3] == 8
    assert gathered.dtype == tokens.dtype
    # Branches do not see each other, and one frame alone sees itself.
    assert torch.equal(part.gather(tokens[:1]), gathered[:1])
    assert torch.equal(part.gather(tokens[:, :1]).reshape(2, 1, -1, 6, 8)[:, :, 0], tokens[:, :1])
    if part.anchored:  # in a later window of a long clip they look at the clip's first frame all the same
        seen = part.gather(tokens[:, 2:], tokens[:, :1])
        assert seen.shape[:2] == (2, 3)
        assert torch.equal(seen[:, :, :6], tokens[:, :1].expand(-1, 3, -1, -1))


@pytest.mark.parametrize("kind", registry.names("priors"))
def test_priors_start_from_noise_and_repeat(kind: str, backbone: Backbone) -> None:
    latents, text = noise(0, 3, (4, 8, 8)), backbone.embed(["a cat"])
    schedule, flow = backbone.schedule(4), estimate_flow(torch.rand(3, 3, 16, 16))

    def start(seed: int) -> torch.Tensor:
        given = PriorInputs(latents, text, schedule, seed=seed, flow=flow)
        prior = PRIORS.make(kind)
        assert isinstance(prior, Prior)
        made = prior.start(backbone, given)
        assert made.noise.shape == latents.shape
        if made.trace is not None:
            assert made.trace.shape == (5, *latents.shape)
            assert torch.equal(made.trace[0], latents)
            assert torch.equal(made.trace[-1], made.noise)
        return made.noise

    assert torch.equal(start(1), start(1))
    assert torch.isfinite(start(1)).all()


@pytest.mark.parametrize("kind", registry.names("conditioners"))
def test_conditioners_say_what_they_lack(kind: str) -> None:
    """Without a clip one either does without, or says in a line of its own that it needs one, or a sound."""
    part = CONDITIONERS.make(kind)
    assert isinstance(part, Conditioner)
    if part.needs & {"clip", "sound"}:
        with pytest.raises((ConfigError, MediaError), match=r"there is no (clip|sound)"):
            part.prepare(None, Moments(3, Fraction(8)))
    else:
        part.prepare(None, Moments(3, Fraction(8)))
