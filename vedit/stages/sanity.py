"""Warnings about results that cannot be pictures, such as frames of one colour or latents that are still noise."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor

from vedit.errors import VeditWarning
from vedit.mapped import in_chunks

FLAT = 1 / 255
"""Deviation over a frame, of values in [0, 1], below which nothing is to be seen."""

CLIPPED = 0.8
"""Share of the values at black or at full light from which a clip is no picture."""

UNTOUCHED = 0.99999
"""Correlation of the latents with the noise that they began with from which nothing was denoised."""

LOUD = 8.0
"""Root mean square of a text encoder's states; its last norm makes them about 1."""


def warn_if_degenerate(
    model: str, frames: Tensor, states: Tensor, *, denoised: tuple[Tensor, Tensor] | None = None
) -> None:
    """Warn, once, where a result cannot be a picture, and say what shows it.

    Args:
        model: its name
        frames: (F, 3, H, W) in [0, 1], as decoded
        states: (..., T, D) the text encoder's states of the prompt
        denoised: the noise that sampling began with and the latents that it ended with, of one shape; None where it did
            not begin with noise
    """
    seen = [*_of_frames(frames)]
    if denoised is not None and _alike(*denoised) > UNTOUCHED:
        seen.append("the latents are still the noise that they began with")
    loudness = float(states.float().square().mean().sqrt())
    if not loudness <= LOUD:
        seen.append(f"the text encoder's states are {loudness:.0f} times as large as they should be")
    elif float(states.float().std(dim=-2).max()) == 0:
        seen.append("the text encoder says the same of every word")
    if seen:
        warnings.warn(
            f"the result is hardly a picture: {'; '.join(seen)}. Check that the weights of {model} are whole, "
            "and what is put on it (--lora, --adapter, --motion-adapter).",
            VeditWarning,
            stacklevel=2,
        )


def _of_frames(frames: Tensor) -> list[str]:
    flat, ends = 0, 0
    for chunk in in_chunks(len(frames), frames):
        some = frames[chunk]
        flat += int((some.flatten(2).std(dim=2).amax(dim=1) < FLAT).sum())
        ends += int(((some <= 0.002) | (some >= 0.998)).sum())
    if flat:
        return [f"{flat} of {len(frames)} frames are of one colour"]
    clipped = ends / frames.numel()
    return [f"{clipped:.0%} of it is black or full light"] if clipped >= CLIPPED else []


def _alike(noise: Tensor, latents: Tensor) -> float:
    """The correlation of all numbers of the two (F, 4, h, w)."""
    sums = torch.zeros(5, dtype=torch.double)
    for chunk in in_chunks(len(noise), noise, latents):
        x, y = (each[chunk].flatten().double().cpu() for each in (noise, latents))
        sums += torch.stack([x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()])
    x, y, xx, yy, xy = (sums / noise.numel()).tolist()
    return (xy - x * y) / math.sqrt(max((xx - x * x) * (yy - y * y), 1e-30))
