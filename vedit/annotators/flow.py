"""Motion, drawn on the colour wheel of optical flow."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from vedit.annotators import Annotation, FromFlow
from vedit.flow import Flow
from vedit.mapped import in_chunks, room_for

SLOWEST = 1.0
"""Least scale that is chosen, in pixels per frame: below it lies the estimate's own error, which would otherwise fill
a clip that stands still with colour."""

HUES = {"red": 15, "yellow": 6, "green": 4, "cyan": 11, "blue": 13, "magenta": 6}
"""How many steps of the Middlebury colour wheel lead from each colour to the next (Baker et al. 2011, figure 2): more
where the eye tells more apart."""


class OpticalFlow(FromFlow):
    """Optical flow as colour: the hue is the direction, the saturation the speed, and what stands still is white.

    Frame i shows the motion to frame i + 1; the last frame, which has no next, what led to it, where it led. One scale
    holds for the whole clip, so a colour means the same speed in all of it.
    """

    class Options(FromFlow.Options):
        """How flow is estimated, and its scale."""

        scale: float | None = Field(
            None,
            gt=0,
            le=10_000,
            description="Speed of full saturation, in pixels per frame; by default the clip's own 99th percentile.",
        )

    options: Options

    def draw(self, flow: Flow) -> Annotation:
        shown = every_frame(flow)
        return FlowAnnotation(draw_flow(shown, self.options.scale or own_scale(shown)), flow)


@dataclass(frozen=True, eq=False)
class FlowAnnotation(Annotation):
    """Pictures, and the flow that they show."""

    flow: Flow

    def save_data(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the flow as .npz (``Flow.save``)."""
        self.flow.save(path, overwrite=overwrite)


def every_frame(flow: Flow) -> Tensor:
    """A motion (F, 2, H, W) for each frame: to the next one, and in the last the way back, turned round."""
    if len(flow) == 1:
        return torch.zeros(1, 2, *flow.size)
    motion = room_for((len(flow), 2, *flow.size))
    for pairs in in_chunks(len(flow.forward), flow.forward, motion):
        motion[pairs] = flow.forward[pairs]
    motion[-1] = -flow.backward[-1]
    return motion


def own_scale(flow: Tensor) -> float:
    """The speed that 99 of 100 pixels of a flow (F, 2, H, W) keep below, and at least ``SLOWEST``."""
    pixels = flow[:, 0].numel()
    return max(SLOWEST, _nth_speed(flow, math.ceil(0.99 * pixels)))


HALF = 16
"""Bits of a half of a number in float32."""


def _nth_speed(flow: Tensor, nth: int) -> float:
    """The nth slowest speed of all pixels of a flow (F, 2, H, W), counted from 1, without sorting them.

    Numbers that are not negative are in the order of their bits: so the first halves of those are counted, and then the
    second halves of those whose first is the one that is sought.
    """
    upper, slower = _nth(_counts(flow, lambda bits: bits >> HALF), nth)
    lower, _ = _nth(_counts(flow, lambda bits: bits[bits >> HALF == upper] & (2**HALF - 1)), nth - slower)
    return float(torch.tensor(upper << HALF | lower, dtype=torch.int32).view(torch.float32))


def _counts(flow: Tensor, half: Callable[[Tensor], Tensor]) -> Tensor:
    """How many pixels have each of the halves (2^16,) of the bits of their speeds."""
    counts = torch.zeros(2**HALF, dtype=torch.long)
    for chunk in in_chunks(len(flow), flow):
        x, y = flow[chunk].unbind(1)
        speed = (x * x + y * y).sqrt().flatten()
        counts += torch.bincount(half(speed.view(torch.int32)), minlength=len(counts))
    return counts


def _nth(counts: Tensor, nth: int) -> tuple[int, int]:
    """In which bin the nth lies, counted from 1, and how many lie in those below."""
    up_to = counts.cumsum(0)
    found = int((up_to < nth).sum())
    return found, int(up_to[found] - counts[found])


def draw_flow(flow: Tensor, scale: float) -> Tensor:
    """Flow (F, 2, H, W) in pixels as pictures (F, 3, H, W) in [0, 1]: a speed of ``scale`` has full saturation, and
    what is faster is darkened to three quarters, as in the Middlebury benchmark (Baker et al. 2011)."""
    wheel, drawn = colour_wheel().to(flow), room_for((len(flow), 3, *flow.shape[2:]))
    for chunk in in_chunks(len(flow), flow, drawn):
        drawn[chunk] = _drawn(flow[chunk] / scale, wheel)
    return drawn


def _drawn(flow: Tensor, wheel: Tensor) -> Tensor:
    """Pictures (F, 3, H, W) of a flow (F, 2, H, W) in units of its scale, with the hues (K, 3) of a ``wheel``."""
    x, y = flow.unbind(1)
    speed = torch.hypot(x, y)[:, None]
    turn = (torch.atan2(-y, -x) / torch.pi + 1) / 2 * (len(wheel) - 1)
    before = turn.floor().long()
    part = (turn - before)[..., None]
    hue = (wheel[before] * (1 - part) + wheel[(before + 1) % len(wheel)] * part).permute(0, 3, 1, 2)
    return torch.where(speed <= 1, 1 - speed.clamp(max=1) * (1 - hue), 0.75 * hue)


def colour_wheel() -> Tensor:
    """The 55 hues of the wheel (K, 3), from red by yellow, green, cyan, blue and magenta back to red."""
    corners = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]], dtype=torch.float32)
    pieces = []
    for number, steps in enumerate(HUES.values()):
        part = (torch.arange(steps) / steps)[:, None]
        pieces.append(corners[number] * (1 - part) + corners[(number + 1) % 6] * part)
    return torch.cat(pieces)
