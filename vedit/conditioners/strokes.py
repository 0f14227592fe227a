"""Guidance by strokes: what lies at a stroke's beginning in the first frame is to lie along it in the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.clip.sizes import Size
from vedit.condition import Condition
from vedit.conditioners import Conditioner
from vedit.config import Settings, Varying, varying
from vedit.config.paths import InputPath
from vedit.entrances.energy import EnergyOfFrames
from vedit.errors import ConfigError
from vedit.flow import centres, nearest
from vedit.masks.dual_clock import latents_held
from vedit.motion.dense import DenseFlow, dense_flow
from vedit.motion.strokes import StrokesFile, read_strokes
from vedit.timeline import Moments

MOST = 2.0
"""Most that strokes may weigh: at 1 each step goes all of the way that the noise leaves open."""


@dataclass(frozen=True, eq=False)
class StrokesInTime:
    """Strokes of a file, and what they are asked for.

    Attributes:
        picture: (3, H, W) that they are drawn on; None where there is no clip yet
        strength: (F,) how strongly they guide in each frame
    """

    strokes: StrokesFile
    moments: Moments
    picture: Tensor | None
    strength: Tensor


class Strokes(Conditioner):
    """Things go where strokes say: in each frame, the predicted latents along a stroke are led to the first frame's.

    Without a clip, as in `vedit generate`, a stroke moves what is within its reach.

    Source: the correspondence of DragDiffusion, Shi et al. 2024, eq. 3, on predicted clean latents instead of features.
    """

    class Options(Settings):
        file: InputPath | None = Field(None, description="Strokes file (.yaml, .json); without one nothing is moved.")
        strength: Annotated[Varying, varying(0, MOST)] = Field(
            1.0, description="How strongly they guide, 0 to 2; may vary in time."
        )
        start: float = Field(0.0, ge=0, le=1, description="Share of the steps after which it begins to act.")
        stop: float = Field(0.8, ge=0, le=1, description="Share of the steps after which it ends.")

    options: Options

    def prepare(self, clip: Clip | None, moments: Moments) -> StrokesInTime:
        """Raises ConfigError also for a strokes file that cannot be read, and for masks that are words."""
        if self.options.start >= self.options.stop:
            raise ConfigError("condition strokes: the window ends before it begins; expected start below stop.")
        file = self.options.file
        strokes = StrokesFile(version=1, size="normalised") if file is None else read_strokes(file)
        strokes.refuse_words()
        strength = torch.tensor(self.options.per_frame("strength", moments))
        return StrokesInTime(strokes, moments, None if clip is None else clip.frames[0], strength)

    def condition(self, prepared: StrokesInTime, backbone: Backbone) -> Condition:
        energy = EnergyOfFrames(AlongStrokes(prepared, backbone.vae_scale_factor))
        return Condition(energy, prepared.strength, self.options.start, self.options.stop)


class AlongStrokes:
    """Half the squared distance of the latents along strokes from those of the first frame."""

    def __init__(self, asked: StrokesInTime, vae_scale_factor: int) -> None:
        self.asked, self.vae_scale_factor = asked, vae_scale_factor
        self._known: tuple[Size, Tensor, Tensor] | None = None

    def __call__(self, clean: Tensor, first: Tensor, cut: slice) -> Tensor:
        """The energy () of predicted clean latents (F', C, h, w), the frames of a ``cut``; the ``first`` frame (C, h,
        w) leads, and is not led."""
        where, counts = (each[cut].to(clean.device) for each in self._sources((clean.shape[2], clean.shape[3])))
        wanted = first.flatten(1)[:, where].transpose(0, 1).unflatten(2, clean.shape[2:])  # (F', C, h, w)
        return (counts * (clean - wanted)).square().sum() / 2

    def _sources(self, cells: Size) -> tuple[Tensor, Tensor]:
        """Of each latent (F, h w) the first frame's that it should be, and (F, 1, h, w) whether it should."""
        if self._known is None or self._known[0] != cells:
            size = cells[0] * self.vae_scale_factor, cells[1] * self.vae_scale_factor
            asked = self.asked
            drawn = asked.strokes.at(size, asked.moments.frames, asked.moments.rate, asked.moments)
            same = asked.picture is not None and asked.picture.shape[1:] == size
            flow = dense_flow(drawn, asked.picture if same else None)
            self._known = cells, *latent_sources(flow, cells)
        return self._known[1], self._known[2]


def latent_sources(flow: DenseFlow, cells: Size) -> tuple[Tensor, Tensor]:
    """Along a flow, which latent of the first frame each of a grid (h, w) shows (F, h w), numbered along the rows; and
    (F, 1, h, w) as 0 and 1, which of them strokes hold."""
    factor = flow.size[0] // cells[0]
    size, middle = flow.size, centres(cells, flow.size)
    column, row = middle.round().long().unbind(-1)
    places = middle + flow.backward[:, :, row, column].permute(0, 2, 3, 1)  # (F, h, w, 2) in pixels
    scale = torch.tensor([cells[1] / size[1], cells[0] / size[0]])
    which = nearest((places + 0.5) * scale - 0.5, cells).flatten(1)
    return which, latents_held(flow.drawn, factor).float()
