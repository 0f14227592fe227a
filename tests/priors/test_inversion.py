"""Inversion, its way back, and its cache."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vedit.adapters.loading import load_backbone
from vedit.backbone import Backbone
from vedit.key_frames import KeyFrames
from vedit.priors.inversion import correction_size, invert, invert_key_frames, passes, reconstruct
from vedit.sampling.denoising import noise
from vedit.windows import Windows


@pytest.fixture(scope="module")
def backbone(sd1: Path) -> Backbone:
    return load_backbone(sd1, device="cpu")


@pytest.mark.parametrize("which", ["sd1", "sd2"])
def test_there_and_back(which: str, request: pytest.FixtureRequest) -> None:
    """Of a model that predicts the noise, and of one that predicts v."""
    model = load_backbone(request.getfixturevalue(which), device="cpu")
    latents = noise(0, 2, (4, 8, 8))
    text = model.embed(["a cat"])
    errors = []
    for steps in (5, 50):
        trace = invert(model, latents, text, steps)
        assert trace.shape == (steps + 1, 2, 4, 8, 8)
        assert torch.equal(trace[0], latents)
        errors.append(float((reconstruct(model, trace, text, steps) - latents).std()))
    # A random network is rough, but smaller steps must invert better.
    assert errors[1] < 0.6 * errors[0]


@pytest.mark.parametrize("which", ["sd1", pytest.param("sd2", marks=pytest.mark.slow)])
def test_refined_steps_come_back_exactly(which: str, request: pytest.FixtureRequest) -> None:
    model = load_backbone(request.getfixturevalue(which), device="cpu")
    latents, text = noise(0, 2, (4, 8, 8)), model.embed(["a cat"])
    plain, once, often = (
        float((reconstruct(model, invert(model, latents, text, 20, corrections=times), text, 20) - latents).std())
        for times in (0, 1, 8)
    )
    assert once < plain
    assert often < 0.2 * plain


@pytest.mark.parametrize("kind", [pytest.param("first_frame", marks=pytest.mark.slow), "sparse_causal"])
def test_windows_lead_back_as_well_as_the_whole_clip(backbone: Backbone, kind: str) -> None:
    """In each step the way back sees the windows of the way there."""
    latents, text = noise(0, 7, (4, 8, 8)), backbone.embed(["a cat"])
    traces, errors = [], []
    for windows in (None, Windows(7, 1), Windows(4, 2)):
        with backbone.attending(kind, windows=windows):
            traces.append(invert(backbone, latents, text, 6, corrections=6))
            errors.append(float((reconstruct(backbone, traces[-1], text, 6) - latents).std()))
    assert torch.equal(traces[0], traces[1])
    assert errors[2] < 2 * errors[0] + 1e-3
    with backbone.attending(kind, windows=Windows(4, 2)):
        cut = float((reconstruct(backbone, traces[2][:5], text, 6) - latents).std())
    assert cut < 2 * errors[0] + 1e-3


@pytest.mark.parametrize("corrections", [0, 1, 3])
def test_a_correction_is_one_pass_of_each_step(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, corrections: int
) -> None:
    seen: list[int] = []
    predict = Backbone.predict

    def counted(self: Backbone, x: Tensor, t: int, text: Tensor, **others: Any) -> Tensor:
        seen.append(t)
        return predict(self, x, t, text, **others)

    monkeypatch.setattr(Backbone, "predict", counted)
    trace = invert(backbone, noise(0, 2, (4, 8, 8)), backbone.embed(["a cat"]), 6, corrections=corrections)
    assert len(trace) == 7
    assert len(seen) == passes(6, corrections)
    assert seen == sorted(seen)  # towards noise


def test_strain_is_what_the_steps_were_corrected_by(backbone: Backbone) -> None:
    """Against the corrections themselves, of a network that predicts the noise."""
    x, text, schedule = noise(0, 2, (4, 8, 8)), backbone.embed(["a cat"]), backbone.schedule(6)
    corrected, told = 0.0, None
    with torch.no_grad():
        for index in reversed(range(6)):
            t = int(schedule.timesteps[index])
            begun = schedule.invert(x, backbone.predict(x[None], t, text)[0] if told is None else told, index)
            first, told = told is None, backbone.predict(begun[None], t, text)[0]
            x = schedule.invert_as(x, told, begun, index)
            if not first:
                corrected += float((x - begun).square().mean().sqrt() / schedule.levels.signal[index])
    trace = invert(backbone, noise(0, 2, (4, 8, 8)), text, 6, corrections=1)
    torch.testing.assert_close(trace[-1], x)
    assert correction_size(trace, schedule) == pytest.approx(corrected, rel=1e-3)


def test_a_cut_trace_comes_back_from_where_it_was_cut(sd1: Path) -> None:
    model = load_backbone(sd1, device="cpu")
    latents, text = noise(0, 2, (4, 8, 8)), model.embed(["a cat"])
    trace = invert(model, latents, text, 20)
    errors = [float((reconstruct(model, trace[: n + 1], text, 20) - latents).std()) for n in (20, 8)]
    assert errors[1] < errors[0]


def test_key_frames_are_inverted_together_and_the_others_beside_them(backbone: Backbone) -> None:
    latents, text, keys = noise(0, 7, (4, 8, 8)), backbone.embed(["a cat"]), KeyFrames((0, 3, 6))
    with backbone.attending("full"):
        trace = invert_key_frames(backbone, latents, text, 4, keys, 2, corrections=1)
        alone = invert(backbone, latents[[0, 3, 6]], text, 4, corrections=1)
        torch.testing.assert_close(trace[:, [0, 3, 6]], alone, atol=1e-5, rtol=1e-4)
        assert torch.equal(trace[0], latents)
        assert (trace[3:, keys.others] == 0).all()
        assert (trace[1:3, keys.others] != 0).any((2, 3, 4)).all()
        latents[5] = noise(1, 1, (4, 8, 8))[0]
        other = invert_key_frames(backbone, latents, text, 4, keys, 2, corrections=1)
    same = [0, 1, 2, 3, 6]
    assert torch.equal(trace[:, same], other[:, same])
