"""How well a model can show a clip at all (PSNR): its VAE's round trip, and the reconstruction from the inversion."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.backbone.outline import Outline
from vedit.errors import DeviceError, VeditWarning
from vedit.mapped import in_chunks, room_for

TOLERANCE = 3.0
"""Decibels that a reconstruction may lie below the VAE's round trip."""

DOUBTFUL_CORRECTION = 0.35
"""Size of an inversion's corrections (``priors.inversion.correction_size``) from which on its reconstruction is looked
at. It finds those that are lost as a whole. Of 24 development clips of the miniature in 25 steps, two had more, and
three that lost 3 to 6 dB had 0.25 to 0.33, as a third of the others did; nothing of that was seen in their edits, which
injection and mask hold in place."""

POOR = 18.0
"""Decibels below which a reconstruction is poor even where the VAE does little better."""


@dataclass(frozen=True)
class Fidelity:
    """Peak signal-to-noise ratio of a clip against the original, in dB: over all frames, and of the worst frame.

    errors: the squared errors (F, 1, H, W), mean over the channels; None where only the figures were kept
    """

    db: float
    worst: float
    errors: Tensor | None = field(default=None, repr=False, compare=False)

    def within(self, where: Tensor) -> float:
        """PSNR in dB over the pixels where ``where`` (F, 1, H, W) is 1, of which there is at least one."""
        assert self.errors is not None, "only the figures were kept"
        total, count = 0.0, 0.0
        for chunk in in_chunks(len(where), self.errors, where):
            total += float((self.errors[chunk] * where[chunk].cpu()).sum())
            count += float(where[chunk].sum())
        return _decibels(total / count)


def fidelity(frames: Tensor, original: Tensor) -> Fidelity:
    """The fidelity of frames (F, 3, H, W) in [0, 1] to the original ones."""
    errors = room_for((len(frames), 1, *frames.shape[2:]))
    for chunk in in_chunks(len(frames), frames, original, errors):
        gap = frames[chunk].float().cpu() - original[chunk].float().cpu()
        errors[chunk] = gap.square().mean(dim=1, keepdim=True)
    of_frames = torch.cat([errors[chunk].flatten(1).double().mean(1) for chunk in in_chunks(len(errors), errors)])
    return Fidelity(_decibels(float(of_frames.mean())), _decibels(float(of_frames.max())), errors)


def _decibels(error: float) -> float:
    """PSNR of a mean squared error on the scale [0, 1]; at most 100, which is equality for pictures of 8 bits."""
    return 100.0 if error <= 1e-10 else -10 * math.log10(error)


def round_trip(backbone: Backbone, latents: Tensor, frames: Tensor) -> Fidelity:
    """What the VAE alone keeps of ``frames`` (F, 3, H, W), whose ``latents`` (F, 4, h, w) are given."""
    return fidelity(backbone.decode(latents), frames)


def warn_if_foreign(model: Outline, kept: Fidelity, what: str = "clip") -> None:
    """Warn where the VAE's round trip of what a job is given keeps less than the model's own notes say of the clips it
    was made for."""
    floor = model.notes.vae_floor_db
    if floor is not None and kept.db < floor:
        about = f" ({model.notes.about})" if model.notes.about else ""
        warnings.warn(
            f"this {what} is not like what {model.name} was trained on{about}: its VAE alone keeps {kept.db:.1f} dB, "
            f"expected {floor:g} or more. The result will be poor; name a larger model with --model, such as sd15.",
            VeditWarning,
            stacklevel=2,
        )


def is_doubtful(corrections: int, correction: float) -> bool:
    """Whether an inversion may not lead back, so that it is to be reconstructed to know: one whose steps were not
    corrected at all, or had to be corrected by so much in all."""
    return corrections == 0 or not correction < DOUBTFUL_CORRECTION


def check_finite(latents: Tensor, what: str, backbone: Backbone) -> None:
    """Raise DeviceError where latents hold NaN or infinity: the dtype is too narrow for the model, or its weights are
    bad."""
    if not all(bool(torch.isfinite(latents[chunk]).all()) for chunk in in_chunks(len(latents), latents)):
        wide = backbone.dtype == torch.float32 or what.startswith("decoded")  # the VAE is always in float32
        advice = f"check that the weights of {backbone.name} are whole" if wide else "use --dtype float32 or bfloat16"
        raise DeviceError(f"the {what} came out as NaN in {str(backbone.dtype).removeprefix('torch.')}; {advice}.")


def warn_if_poor(found: Fidelity, ceiling: Fidelity, *, prompted: bool, tuned: bool) -> bool:
    """Warn, and say what to do, where a reconstruction is poor; before the edit is made. Returns whether it is."""
    below = ceiling.db - found.db
    if below <= TOLERANCE and not found.db < POOR <= ceiling.db:
        return False
    advice = ["take more --steps"]
    if not prompted:
        advice.append("say what the clip shows with --source-prompt")
    if not tuned:
        advice.append("tune on it first with --tune 100")
    warnings.warn(
        f"the inversion reconstructs the clip poorly: {found.db:.1f} dB, where the VAE alone keeps {ceiling.db:.1f}; "
        f"what the edit may change may lose its place. To mend it: {', or '.join(advice)}.",
        VeditWarning,
        stacklevel=2,
    )
    return True
