"""The windows of a job: those that are asked for, or those that a clip needs that does not fit into memory."""

from __future__ import annotations

import warnings
from typing import TypeVar

from vedit.backbone.outline import Outline
from vedit.clip.sizes import Size
from vedit.config import AttentionSettings
from vedit.errors import VeditWarning
from vedit.jobs.resources import FRAME, FRAMES_HELD, MARGIN, in_hand, least_memory
from vedit.machine.memory import free_gpu_memory, free_memory
from vedit.windows import WINDOW, Windows

C = TypeVar("C", bound=AttentionSettings)

SIZES = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Frames of the windows that are chosen: few sizes, so that the next job on the same machine mostly chooses the same,
and finds what was kept."""

CAUTION = 3.0
"""How many times the least that its activations take a window is planned for: the weights, and all that is made of the
frames elsewhere, share the memory with them."""

LEARNING = 8
"""Branches of a prediction that hold about as much as a step of learning, which keeps what every layer has made."""


def settle_windows(config: C, frames: int, size: Size, outline: Outline, branches: int) -> C:
    """The config of a job with the windows filled in that its clip needs.

    Windows that it asks for stay as they are. A clip that fits into the memory that is free is seen whole, as it is
    where not even small windows would fit: ``resources.check`` says so. Warns where windows are chosen.

    Args:
        config: of the job
        frames, size: of the clip, at the working size (H, W)
        outline: the model
        branches: of guidance, that run together
    """
    free = _free(outline)
    if config.window is not None or free is None or frames <= SIZES[0]:
        return config

    def least(window: int, branches: int) -> float:
        cell, itemsize = outline.vae_scale_factor, outline.dtype.itemsize
        return least_memory(frames, size, outline.unet, cell, itemsize, branches, window)

    if least(frames, 1) * MARGIN <= free or least(SIZES[0], 1) * MARGIN > free:
        return config
    most = WINDOW if outline.layers.motion else SIZES[-1]
    held = FRAMES_HELD * in_hand(size[0] * size[1] * FRAME, frames)
    fitting = [each for each in SIZES if each <= most and held + CAUTION * (least(each, branches) - held) <= free]
    chosen = Windows.of(min(max(fitting, default=SIZES[0]), frames - 1))
    warnings.warn(
        f"not all {frames} frames fit into memory at once; they are seen in windows of {chosen.size} "
        f"(--window {chosen.size}).",
        VeditWarning,
        stacklevel=3,
    )
    return config.model_copy(update={"window": chosen.size, "overlap": chosen.overlap})


def windows_of(config: AttentionSettings, frames: int) -> Windows | None:
    """The windows of a clip of so many frames; None where it is seen whole. Raises ConfigError."""
    if config.window is None:
        return None
    windows = Windows.of(config.window, config.overlap)
    return None if frames <= windows.size else windows


def _free(outline: Outline) -> float | None:
    return free_gpu_memory(outline.device) if outline.device.type == "cuda" else free_memory()
