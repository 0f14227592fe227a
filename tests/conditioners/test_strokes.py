"""Strokes as a condition beside the prompt."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch

from tests.motion.making import drawn, line
from vedit.adapters.loading import load_backbone
from vedit.conditioners.strokes import AlongStrokes, Strokes, latent_sources
from vedit.entrances.energy import EnergyOfFrames
from vedit.errors import ConfigError
from vedit.jobs.generate import generate
from vedit.motion.dense import dense_flow
from vedit.timeline import Moments


@pytest.fixture
def strokes(tmp_path: Path) -> Path:
    path = tmp_path / "strokes.yaml"
    path.write_text("version: 1\nsize: normalised\nstrokes: [{points: [[0.25, 0.5], [0.75, 0.5]], radius: 0.2}]\n")
    return path


def test_latents_come_from_where_the_stroke_began() -> None:
    flow = dense_flow(drawn(line((12, 24), (44, 24), 3), reach=10))
    which, held = latent_sources(flow, (6, 8))
    middle = which.view(3, 6, 8)[2, 2:4, 5]
    assert middle.tolist() == [2 * 8 + 1, 3 * 8 + 1], "four latents to the left"
    assert held[2, 0, 2:4, 5].tolist() == [1, 1]
    assert held[2, 0, :, 0].sum() == 0


def test_its_gradient_leads_to_the_first_frame_along_the_stroke(strokes: Path) -> None:
    part = Strokes(Strokes.Options(file=strokes))
    asked = part.prepare(None, Moments(3, Fraction(8)))
    energy = AlongStrokes(asked, 8)
    clean = torch.randn(3, 4, 6, 8).requires_grad_()
    first, whole = clean[0].detach(), slice(0, 3)
    (gradient,) = torch.autograd.grad(energy(clean, first, whole), clean)
    assert gradient[0].abs().max() == 0, "the first frame leads"
    led = (clean - gradient).detach()
    assert energy(led, first, whole) < 1e-6
    assert energy(clean, first, whole) > 1
    plain = clean.detach()
    parts = [float(energy(plain[cut], first, cut)) for cut in (slice(0, 2), slice(2, 3))]
    assert sum(parts) == pytest.approx(float(energy(plain, first, whole)))


def test_it_guides_a_clip_that_is_made(toy_model: Path, strokes: Path) -> None:
    backbone = load_backbone(toy_model)

    def made(**settings: object) -> torch.Tensor:
        return generate(backbone, "a cat", frames=3, steps=3, width=64, height=48, **settings).clip.frames

    guided = [{"kind": "strokes", "options": {"file": str(strokes), "strength": 0.5}}]
    assert not torch.equal(made(condition=guided), made())
    off = [{"kind": "strokes", "options": {"file": str(strokes), "strength": 0}}]
    assert torch.allclose(made(condition=off), made(), atol=1e-4)


def test_it_is_a_condition_with_a_window_and_an_envelope(toy_model: Path, strokes: Path) -> None:
    part = Strokes(Strokes.Options(file=strokes, strength="0:0, 2:1", start=0.1, stop=0.6))
    made = part.condition(part.prepare(None, Moments(3, Fraction(8))), load_backbone(toy_model))
    assert isinstance(made.entrance, EnergyOfFrames)
    assert made.envelope.tolist() == [0, 0.5, 1]
    assert made.active((0.2, 0.5))
    assert not made.active((0.5, 0.7))
    with pytest.raises(ConfigError, match="ends before it begins"):
        Strokes(Strokes.Options(start=0.5, stop=0.2)).prepare(None, Moments(3, Fraction(8)))
