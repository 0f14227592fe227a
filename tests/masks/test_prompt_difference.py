"""Where an edit happens: the mask of two prompts' difference, and keeping what lies outside."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import world
from vedit import mapped
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.masks import LatentBlend, PromptDifference, compare_prompts
from vedit.priors.inversion import invert
from vedit.prompt import Prompt
from vedit.sampling.denoising import denoise, noise
from vedit.sampling.guiders import ClassifierFree
from vedit.windows import Windows


@pytest.fixture(scope="module")
def backbone(sd1: Path) -> Backbone:
    return load_backbone(sd1, device="cpu")


@pytest.fixture(scope="module")
def mini() -> Backbone:
    return load_backbone("mini", device="cpu")


def test_what_lies_outside_the_mask_is_the_source(backbone: Backbone) -> None:
    latents = noise(1, 2, (4, 8, 8))
    source, target = backbone.embed(["a dog"]), backbone.embed(["a cat"])
    trace = invert(backbone, latents, source, 5)
    mask = torch.zeros(2, 1, 8, 8)
    mask[..., :4] = 1
    guider = ClassifierFree(Prompt(target), Prompt(source), 7.0)
    free = denoise(backbone, trace[-1], backbone.schedule(5), guider)
    kept = denoise(backbone, trace[-1], backbone.schedule(5), guider, after_step=LatentBlend(mask, trace).blend)
    assert torch.equal(kept[..., 4:], latents[..., 4:])
    assert (kept[..., :4] - latents[..., :4]).abs().max() > 1e-3
    assert not torch.equal(free[..., 4:], latents[..., 4:])


def test_the_difference_mask_is_a_mask(backbone: Backbone) -> None:
    latents = noise(1, 2, (4, 8, 8))
    one, other = backbone.embed(["a dog"]), backbone.embed(["a cat"])
    mask = compare_prompts(backbone, latents, one, other)[0].mask()
    assert mask.shape == (2, 1, 8, 8)
    assert mask.min() >= 0
    assert mask.max() == 1
    assert torch.equal(mask, compare_prompts(backbone, latents, one, other)[0].mask())


@pytest.mark.parametrize("local", [True, False])
def test_a_mask_is_the_same_however_many_frames_are_looked_at_at_once(
    monkeypatch: pytest.MonkeyPatch, local: bool
) -> None:
    magnitude = noise(0, 9, (1, 8, 8)).abs()
    magnitude[..., :3] *= 20 if local else 0.01
    difference = PromptDifference(magnitude, noise(1, 9, (4, 8, 8)))
    whole = difference.mask()
    assert 0 < whole.mean() < 1
    monkeypatch.setattr(mapped, "LARGE", 0)
    for chunk in (1, 4):
        monkeypatch.setattr(mapped, "CHUNK", chunk)
        assert torch.equal(difference.mask(), whole)
        assert difference.coherence == pytest.approx(PromptDifference(magnitude, difference.direction).coherence)


@pytest.mark.parametrize(("together", "kept"), [(True, 1.0), (False, 0.0)], ids=["thing", "grain"])
def test_what_the_prompts_agree_about_is_kept_where_it_lies_together(together: bool, kept: float) -> None:
    """As many latents of a surface's grain are no thing, however clearly prompts agree about them."""
    agreed = torch.zeros(3, 1, 16, 16, dtype=torch.bool)
    if together:
        agreed[..., 4:12, 4:12] = True
    else:
        agreed[..., ::2, ::2] = True
    magnitude = torch.where(agreed, 0.5, 1.0) * (1 + 0.05 * noise(0, 3, (1, 16, 16)))
    closed = 1 - PromptDifference(magnitude, noise(1, 3, (4, 16, 16))).mask()
    inner = agreed & (F.avg_pool2d(agreed.float(), 3, 1, 1) == 1) if together else agreed
    assert float(closed[inner].mean()) == kept
    assert float(closed[~agreed].mean()) == 0


def test_prompts_are_compared_in_windows(backbone: Backbone) -> None:
    latents = noise(1, 6, (4, 8, 8))
    one, other = backbone.embed(["a dog"]), backbone.embed(["a cat"])
    found = []
    for windows in (None, Windows(3, 1)):
        with backbone.attending("first_frame", windows=windows):
            found.append(compare_prompts(backbone, latents, one, other)[0])
    torch.testing.assert_close(found[1].direction, found[0].direction, atol=1e-5, rtol=1e-4)


def test_the_difference_mask_asks_for_more_chunks_when_a_prompt_is_long(backbone: Backbone) -> None:
    latents = noise(1, 1, (4, 8, 8))
    long = backbone.embed(["a cat on a mat " * 20])
    assert compare_prompts(backbone, latents, backbone.embed(["a dog"]), long)[0].mask().shape == (1, 1, 8, 8)


@pytest.mark.parametrize(
    ("changes", "thing", "ground"),
    [
        ({"colour": "blue"}, (0.9, 1.0), (0.0, 0.3)),
        pytest.param(
            {"background": "night"},
            (0.0, 0.4),
            (0.95, 1.0),
            marks=pytest.mark.xfail(reason="words for a ground change the object nearly as much", strict=True),
        ),
        ({"colour": "blue", "background": "night"}, (1.0, 1.0), (1.0, 1.0)),
        ({}, (0.0, 0.0), (0.0, 0.0)),
    ],
    ids=["thing", "ground", "both", "nothing"],
)
def test_the_edit_is_opened_where_the_words_differ(
    changes: dict[str, str], thing: tuple[float, float], ground: tuple[float, float], mini: Backbone
) -> None:
    """The share of the object and of the ground that may change, in bounds."""
    moving = world.Object("square", "yellow", "right", start=(50.0, 60.0), speed=3.0, radius=24.0)
    scene = world.Scene((moving,), "grass", texture=1000)
    rendered = world.render(scene, 2)
    latents = mini.encode(torch.from_numpy(rendered.frames))
    before, after = (mini.embed([each.caption]) for each in (scene, scene.changed(**changes)))
    with mini.attending("sparse_causal"):
        mask = compare_prompts(mini, latents, before, after)[0].mask()
    covered = F.avg_pool2d(torch.from_numpy(rendered.masks[:, :1]), 8)
    for (low, high), where in ((thing, covered > 0.9), (ground, covered == 0)):
        assert low <= float(mask[where].mean()) <= high


def test_a_difference_is_coherent_where_it_points_one_way() -> None:
    paint = torch.zeros(2, 4, 8, 8)
    paint[..., 2:6, 2:6] = torch.tensor([1.0, -2.0, 0.5, 0.0])[None, :, None, None]
    redrawn = paint.clone()
    redrawn[..., 2:6, 4:6] *= -1  # what appears in one place goes in the other
    size = paint.abs().mean(1, keepdim=True)
    assert PromptDifference(size, paint).coherence == pytest.approx(1)
    assert PromptDifference(size, redrawn).coherence == pytest.approx(0)
    assert PromptDifference(size * 0, paint * 0).coherence == 1


@pytest.mark.parametrize(
    ("changes", "repaints"),
    [
        ({"colour": "blue"}, True),
        ({"background": "night"}, True),
        ({"shape": "star"}, False),
    ],
    ids=["colour", "ground", "shape"],
)
def test_words_that_draw_another_shape_are_told_from_those_that_repaint_it(
    changes: dict[str, str], repaints: bool, mini: Backbone
) -> None:
    moving = world.Object("square", "yellow", "right", start=(50.0, 60.0), speed=3.0, radius=24.0)
    scene = world.Scene((moving,), "grass", texture=1000)
    latents = mini.encode(torch.from_numpy(world.render(scene, 2).frames))
    before, after = (mini.embed([each.caption]) for each in (scene, scene.changed(**changes)))
    with mini.attending("sparse_causal"):
        assert compare_prompts(mini, latents, before, after)[0].repaints is repaints
