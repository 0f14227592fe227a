"""Noise that moves with the clip: white in every frame, the same along the paths."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.test_flow import moving, uniform
from vedit import mapped
from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.errors import ConfigError
from vedit.flow import Flow, estimate_flow
from vedit.priors import PriorInputs
from vedit.priors.flow_warped import FlowWarped, sources

CELLS = (24, 32)


@pytest.fixture(scope="module")
def backbone(toy_model: Path) -> Backbone:
    return load_backbone(toy_model, device="cpu")


def start(backbone: Backbone, flow: Flow | None, frames: int, seed: int = 0, cells: tuple[int, int] = CELLS) -> Tensor:
    latents = torch.zeros(frames, 4, *cells)
    return (
        FlowWarped()
        .start(backbone, PriorInputs(latents, torch.zeros(1), backbone.schedule(2), seed=seed, flow=flow))
        .noise
    )


def correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


@pytest.mark.parametrize("shift", [(8.0, 0.0), (3.0, -2.0), (0.0, 12.5)])
def test_every_frame_is_white_and_gaussian(backbone: Backbone, shift: tuple[float, float]) -> None:
    flow = uniform(shift, 6, (CELLS[0] * 8, CELLS[1] * 8))
    for frame in start(backbone, flow, 6):
        count = frame.numel()
        assert abs(frame.mean()) < 4 / count**0.5
        assert abs(frame.var() - 1) < 4 * (2 / count) ** 0.5
        assert abs(frame.pow(4).mean() / frame.var() ** 2 - 3) < 4 * (24 / count) ** 0.5
        # Kolmogorov and Smirnov: at 1.95 / sqrt(n), one sample in a thousand would fail.
        ordered = torch.special.ndtr(frame.flatten().sort().values)
        assert (ordered - (torch.arange(count) + 0.5) / count).abs().max() < 1.95 / count**0.5
        for other in (frame[:, :, 1:], frame[:, 1:], frame[1:]):
            same = frame[: other.shape[0], : other.shape[1], : other.shape[2]]
            assert abs(correlation(same, other)) < 4 / other.numel() ** 0.5
        assert len(frame.flatten().unique()) > 0.999 * count  # no draw twice


@pytest.mark.parametrize("shift", [(1, 0), (-1, 2), (0.5, 0), (0, -0.5), (0.3, 0.2), (-0.45, 0.0)])
def test_noise_moves_with_the_picture(backbone: Backbone, shift: tuple[float, float]) -> None:
    """By whole cells and by parts of them, half-way too."""
    frames = 6
    made = start(backbone, uniform((8 * shift[0], 8 * shift[1]), frames, (CELLS[0] * 8, CELLS[1] * 8)), frames)
    for frame in range(1, frames):
        x, y = (math.ceil(each * frame - 0.5 - 1e-3) for each in shift)
        moved = torch.roll(made[0], (y, x), (1, 2))
        inside = (slice(max(y, 0) + 1, CELLS[0] + min(y, 0) - 1), slice(max(x, 0) + 1, CELLS[1] + min(x, 0) - 1))
        assert correlation(made[frame][:, *inside], moved[:, *inside]) > 0.99
        if x or y:  # and it is not the noise of all frames
            assert abs(correlation(made[frame], made[0])) < 0.1


def test_of_an_estimated_flow_too(backbone: Backbone) -> None:
    """A real estimate at the size of a clip: along the paths the noise agrees, elsewhere it does not."""
    made = start(backbone, estimate_flow(moving((4, 0), frames=5, size=(96, 128))), 5, cells=(12, 16))
    assert correlation(made[4][:, 2:-2, 4:-2], made[0][:, 2:-2, 2:-4]) > 0.9
    assert abs(correlation(made[4], made[0])) < 0.3


def test_what_appears_and_what_spreads_has_noise_of_its_own() -> None:
    """A zoom in: four cells come from one, and only one of them can have its noise."""
    line = torch.arange(16.0) - 7.5
    zoom = torch.stack([line.expand(16, 16), line[:, None].expand(16, 16)])[None]
    still = torch.zeros(1, 16, 16, dtype=torch.bool)
    found = sources(Flow(zoom, -zoom / 2, still, still), (16, 16)).view(2, 256)
    carried = found[1] < 256
    assert 40 <= carried.sum() <= 64
    assert len(found[1].unique()) == 256
    hidden = torch.zeros(1, 16, 16, dtype=torch.bool)
    hidden[0, 3:6, 4:9] = True
    none = torch.zeros(1, 2, 16, 16)
    found = sources(Flow(none, none, still, hidden), (16, 16)).view(2, 16, 16)
    assert torch.equal(found[1] >= 256, hidden[0])


def test_it_is_the_same_however_many_frames_are_looked_at_at_once(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = estimate_flow(moving((3, 2), frames=9))
    whole = start(backbone, flow, 9, cells=(6, 8))
    for chunk in (1, 4):
        monkeypatch.setattr(mapped, "CHUNK", chunk)
        assert torch.equal(start(backbone, flow, 9, cells=(6, 8)), whole)


def test_a_longer_clip_keeps_its_first_frames(backbone: Backbone) -> None:
    frames = moving((3, 2), frames=5)
    flow, cut = estimate_flow(frames), estimate_flow(frames[:3])
    made = start(backbone, flow, 5, cells=(6, 8))
    assert torch.equal(made[:3], start(backbone, cut, 3, cells=(6, 8)))
    assert torch.equal(made, start(backbone, flow, 5, cells=(6, 8)))
    assert not torch.equal(made, start(backbone, flow, 5, seed=1, cells=(6, 8)))


def test_one_frame_is_plain_noise(backbone: Backbone) -> None:
    alone = start(backbone, estimate_flow(moving((1, 0), frames=1)), 1, cells=(6, 8))
    assert torch.equal(alone, start(backbone, estimate_flow(moving((1, 0))), 4, cells=(6, 8))[:1])


def test_without_its_flow_it_says_what_it_needs(backbone: Backbone) -> None:
    with pytest.raises(ConfigError, match="none was given"):
        start(backbone, None, 3)
    with pytest.raises(ConfigError, match="one of 4 frames"):
        start(backbone, uniform((0.0, 0.0), 4, (64, 64)), 3)
