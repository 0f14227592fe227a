"""Whether a job fits into memory, and whether it takes long: checked before any work."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch

from vedit.backbone.model import Backbone
from vedit.clip.sizes import Size
from vedit.errors import DeviceError, VeditWarning
from vedit.graph import Stage, Work
from vedit.graph.work import passes
from vedit.machine.disk import Disk
from vedit.machine.memory import free_gpu_memory, free_memory
from vedit.mapped import CHUNK, lies_in_file
from vedit.session import Model, Session
from vedit.windows import Windows

FRAMES_HELD = 4
"""Copies of the frames at the working size, in float32, that are held at most: the source, what is made of it, and
errors and masks."""

FRAME = 12
"""Bytes of a pixel of a frame: three numbers in float32."""

OWN_SIZE, QUEUED, QUEUE = 110, 0.6, 58
"""Bytes for each pixel of the clip's own pictures, however many there are: the frame on its way from a decoder to an
encoder; for each of the frames that these two keep in their queues; and how many they keep. Measured with H.264."""

LEAST_ACTIVATIONS = 20
"""Numbers that a UNet holds at most for each channel of its first level and each place of a latent. Of Stable
Diffusion's layout it is 26."""

MARGIN = 0.8
"""Of what is foretold, the share that must be free: foretelling may err by so much."""

LONG = 180.0
"""Seconds from which on work is long, and told before."""

LONG_CLIP = 60.0
"""Seconds of a clip from which on it is told first what it takes, however quick that is."""

ROUGH = 1400
"""Operations of one pass for each place of a latent and each square of the channels of the first level, about."""

QUICK = 5e12
"""Operations that no machine takes long for."""


@dataclass(frozen=True)
class Canvas:
    """What a job's networks run on.

    Attributes:
        frames: how many
        size: the working size (H, W), as the networks see it
        own: the size of the pictures that are read or written
        whole: how many frames the clip has that they are of; None where there is none
        windows: in which they are seen; None for all at once
        rate: frames per second; None where they are no clip
        group: how many are seen at once, about, where it is neither all nor a window of them
        tiled: the working size of whole frames, where the networks see them in tiles of ``size``
    """

    frames: int
    size: Size
    own: Size
    whole: int | None = None
    windows: Windows | None = None
    rate: Fraction | None = None
    group: int | None = None
    tiled: Size | None = None

    @property
    def whole_size(self) -> Size:
        """The working size (H, W) of whole frames."""
        return self.tiled or self.size

    @property
    def seconds(self) -> float:
        """How long the clip lasts."""
        return 0.0 if self.rate is None else float(self.frames / self.rate)

    @property
    def at_once(self) -> int:
        """Frames that the network sees at once."""
        if self.group is not None:
            return self.group
        return self.frames if self.windows is None else min(self.windows.size, self.frames)

    @property
    def seen(self) -> float:
        """How many frames it sees in a pass over all of them, on average: those that windows share more than once."""
        return self.frames if self.windows is None else self.windows.count(self.frames) * self.at_once


def least_memory(
    frames: int,
    size: Size,
    unet: Mapping[str, Any],
    vae_scale_factor: int,
    itemsize: int,
    branches: int,
    at_once: int | None = None,
    tiled: Size | None = None,
) -> float:
    """Bytes that so many frames of a working ``size`` (H, W) take at the least, as frames and in a UNet of that config.

    ``itemsize``: bytes of the numbers that it works in; ``branches`` of guidance; ``at_once``: frames that it sees at
    once, by default all; ``tiled``: the size of whole frames, where it sees tiles of them.
    """
    whole = tiled or size
    positions = (size[0] // vae_scale_factor) * (size[1] // vae_scale_factor)
    activations = LEAST_ACTIVATIONS * _width(unet) * positions * itemsize * branches * (at_once or frames)
    return activations + FRAMES_HELD * in_hand(whole[0] * whole[1] * FRAME, frames)


def in_hand(frame: float, frames: int) -> float:
    """Bytes that are in memory of a result with so many for each ``frame``: all of a small one, and of one that lies in
    a file the frames that are worked on at a time."""
    return frame * (min(frames, CHUNK) if lies_in_file(int(frame * frames)) else frames)


def _width(unet: Mapping[str, Any]) -> int:
    return int(next(iter(unet.get("block_out_channels") or (320,))))


def check_fits(need: float, free: float | None, advice: str) -> None:
    """Raise DeviceError where ``need`` bytes do not fit into those that are ``free``, if that is known."""
    if free is not None and need * MARGIN > free:
        raise DeviceError(
            f"this takes about {format_bytes(need)} of memory, and {format_bytes(free)} are free; {advice}."
        )


def check_disks(found: Iterable[Disk], shorten: str) -> None:
    """Raise DeviceError where what is to be written does not fit on its disk, if that is known; and say what would
    help, of which ``shorten`` is one way."""
    for disk in found:
        if disk.free is not None and disk.need * MARGIN > disk.free:
            largest = max(disk.uses, key=lambda each: each.size)
            ways = [*(each.way_out for each in disk.uses if each.way_out), shorten]
            raise DeviceError(
                f"this takes about {format_bytes(disk.need)} of disk, most of it in {largest.folder}, and "
                f"{format_bytes(disk.free)} are free; {', or '.join(ways)}."
            )


def format_bytes(count: float) -> str:
    """Bytes as a text."""
    return f"{count / 2**30:,.1f} GiB" if count >= 2**31 else f"{count / 2**20:.0f} MiB"


def check(canvas: Canvas, model: Model, shorten: str) -> None:
    """Raise DeviceError where a job cannot fit into memory, and say what would make it shorter."""
    on_gpu = model.outline.device.type == "cuda"
    free = free_gpu_memory(model.outline.device) if on_gpu else free_memory()
    check_fits(needed_memory(canvas, model), free, shorten)


def needed_memory(canvas: Canvas, model: Model) -> float:
    """Bytes that a job takes at the least, its program and the weights left out."""
    outline, itemsize = model.outline, model.outline.dtype.itemsize
    return least_memory(
        canvas.frames, canvas.size, outline.unet, outline.vae_scale_factor, itemsize, 1, canvas.at_once, canvas.tiled
    )


def warn_if_long(canvas: Canvas, model: Model, session: Session, stages: Sequence[Stage[Any]], shorten: str) -> None:
    """Warn where the ``stages`` of a job take more than a few minutes, and say what would make them shorter. Measures a
    pass where they may."""
    outline, size, alone = model.outline, canvas.size, _passes(canvas, stages)
    positions = (size[0] // outline.vae_scale_factor) * (size[1] // outline.vae_scale_factor)
    if alone * ROUGH * positions * _width(outline.unet) ** 2 < QUICK:
        return
    seconds = network_seconds(canvas, model, session, stages)
    if seconds > LONG:
        warnings.warn(
            f"this takes about {format_duration(seconds)} here: {round(alone):,} passes of a frame through the "
            f"network; fewer --steps make it shorter, or {shorten}.",
            VeditWarning,
            stacklevel=4,
        )


def network_seconds(canvas: Canvas, model: Model, session: Session, stages: Sequence[Stage[Any]]) -> float:
    """Seconds that the ``stages`` of a job take in the network, by a pass that is measured."""
    return _passes(canvas, stages) * one_pass(session.plain(model), canvas.size)


def _passes(canvas: Canvas, stages: Sequence[Stage[Any]]) -> float:
    """Passes of single frames through the network."""
    works = [each for stage in stages for each in stage.work() if not each.doubtful]
    return sum(passes(each, canvas.frames) * _seen(each, canvas) for each in works)


def _seen(work: Work, canvas: Canvas) -> float:
    """Passes of single frames that one over all frames is."""
    if work.network == "learning":
        return canvas.at_once
    return canvas.seen if work.frames is None else canvas.frames


@torch.no_grad()
def one_pass(backbone: Backbone, size: Size) -> float:
    """Seconds that a frame of a working ``size`` (H, W) takes in the network, measured on two frames."""
    x = torch.zeros(
        1, 2, 4, size[0] // backbone.vae_scale_factor, size[1] // backbone.vae_scale_factor, device=backbone.device
    )
    text = torch.zeros(1, backbone.tokenizer.model_max_length, backbone.unet.config.cross_attention_dim)
    begun = time.perf_counter()
    backbone.predict(x, 0, text).sum().item()
    taken = time.perf_counter() - begun
    if taken < 1:  # the first time is not like the others
        begun = time.perf_counter()
        backbone.predict(x, 0, text).sum().item()
        taken = time.perf_counter() - begun
    return taken / 2


def format_duration(seconds: float) -> str:
    """A time as a text."""
    if seconds < 90:
        count = max(1, round(seconds))
        return f"{count} second{'s' * (count != 1)}"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:,.1f} hours"
