"""A picture and what is drawn on it: the strokes in the frames of a clip, the flow that they stand for, and the picture
cut and dragged along it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from vedit.clip import Clip
from vedit.clip.images import read_picture
from vedit.clip.sizes import Size, resize
from vedit.errors import VeditWarning
from vedit.flow import Flow
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.masks import latent_mask
from vedit.motion.dense import DenseFlow, dense_flow
from vedit.motion.fields import Field
from vedit.motion.learnt.completion import load_completion
from vedit.motion.moving import Moved, move_things
from vedit.motion.strokes import Drawn, StrokesFile, read_strokes
from vedit.motion.warp import crude_animation
from vedit.stages.packing import from_json_tensor, json_tensor
from vedit.stages.word_region import WordRegion
from vedit.timeline import Moments


@dataclass(frozen=True)
class ReadPicture(Stage[Tensor]):
    """A picture (3, H, W) in [0, 1], at a working ``size`` (H, W)."""

    file: File
    size: Size

    title: ClassVar[str] = "reading"

    def make(self, session: Any) -> Tensor:
        return resize(read_picture(self.file.path)[None], self.size)[0]


@dataclass(frozen=True)
class GivenPicture(Stage[Tensor]):
    """A picture (3, H, W) in memory."""

    picture: Tensor
    size: Size

    def make(self, session: Any) -> Tensor:
        return resize(self.picture[None], self.size)[0]


@dataclass(frozen=True)
class FirstPicture(Stage[Tensor]):
    """The first frame (3, H, W) of a clip."""

    clip: Stage[Clip]

    def make(self, session: Any, clip: Clip) -> Tensor:
        return clip.frames[0]


@dataclass(frozen=True)
class DrawStrokes(Stage[Drawn]):
    """A strokes file brought to the frames of a clip.

    Attributes:
        masks: the pictures that it names, by what they hold
        size: (H, W) of the clip's frames
        moments: its frames, and what is heard in each
        shown: for each word that it names, what of the picture shows it
    """

    strokes: StrokesFile
    masks: tuple[File, ...]
    size: Size
    moments: Moments
    shown: tuple[WordRegion, ...] = ()

    title: ClassVar[str] = "strokes"

    @classmethod
    def of(cls, path: Path | None, size: Size, moments: Moments) -> DrawStrokes:
        """Those of a file; none where there is no file. Raises as ``read_strokes``."""
        strokes = StrokesFile(version=1, size="normalised") if path is None else read_strokes(path)
        masks = tuple(File.of(each.path) for each in strokes.files_read() if each.path != path)
        return cls(strokes, masks, size, moments)

    def make(self, session: Any, shown: tuple[Tensor, ...]) -> Drawn:
        found = {each.word: region for each, region in zip(self.shown, shown, strict=True)}
        return self.strokes.at(self.size, self.moments.frames, self.moments.rate, self.moments, found)


@dataclass(frozen=True)
class StrokesFlow(Stage[DenseFlow]):
    """The dense flow that strokes stand for, on a picture if there is one.

    Attributes:
        network: the folder of one that completes flow, in place of the field
    """

    picture: Stage[Tensor] | None
    drawn: Stage[Drawn]
    field: Field
    network: File | None = None

    title: ClassVar[str] = "strokes"
    kept: ClassVar[bool] = True

    def make(self, session: Any, picture: Tensor | None, drawn: Drawn) -> DenseFlow:
        network = None if self.network is None else load_completion(self.network.path)
        return dense_flow(drawn, picture, self.field, network)

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * size[0] * size[1] * (4 * 4 + 2)

    def pack(self, result: DenseFlow) -> Mapping[str, Tensor]:
        return pack_flow(result)

    def unpack(self, tensors: Mapping[str, Tensor]) -> DenseFlow:
        return unpack_flow(tensors)


def pack_flow(flow: DenseFlow) -> Mapping[str, Tensor]:
    """A dense flow as tensors, all of it."""
    names = ("forward", "backward", "visible", "drawn", "held")
    return {**{name: getattr(flow, name).contiguous() for name in names}, "notes": json_tensor(flow.notes)}


def unpack_flow(tensors: Mapping[str, Tensor]) -> DenseFlow:
    """The dense flow that ``pack_flow`` made these of."""
    forward, backward, visible = tensors["forward"], tensors["backward"], tensors["visible"]
    notes = tuple(from_json_tensor(tensors["notes"]))
    return DenseFlow(forward, backward, visible, tensors["drawn"], tensors["held"], notes)


@dataclass(frozen=True)
class FlowOfStrokes(Stage[Flow]):
    """The flow from frame to frame of a picture that follows strokes, for whatever follows a clip's."""

    motion: Stage[DenseFlow]

    title: ClassVar[str] = "strokes"

    def make(self, session: Any, motion: DenseFlow) -> Flow:
        return motion.between_frames()


@dataclass(frozen=True)
class CrudeAnimation(Stage[Clip]):
    """A picture cut and dragged along a flow: where things are to be, with torn edges and holes filled in."""

    picture: Stage[Tensor]
    motion: Stage[DenseFlow]
    rate: Fraction

    title: ClassVar[str] = "warping"

    def make(self, session: Any, picture: Tensor, motion: DenseFlow) -> Clip:
        return Clip(crude_animation(picture, motion), self.rate)


@dataclass(frozen=True)
class MoveThings(Stage[Moved]):
    """A clip whose things go along strokes instead of their own ways, cut and dragged, under the strokes' camera;
    ``network`` as for ``StrokesFlow``."""

    clip: Stage[Clip]
    flow: Stage[Flow]
    drawn: Stage[Drawn]
    field: Field
    network: File | None = None

    title: ClassVar[str] = "strokes"
    version: ClassVar[int] = 2
    kept: ClassVar[bool] = True

    def make(self, session: Any, clip: Clip, flow: Flow, drawn: Drawn) -> Moved:
        network = None if self.network is None else load_completion(self.network.path)
        return move_things(clip.frames, flow, drawn, self.field, network)

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * size[0] * size[1] * 14

    def pack(self, result: Moved) -> Mapping[str, Tensor]:
        told = {name: getattr(result, name) for name in ("frames", "changed", "unknown", "camera")}
        return {**told, "notes": json_tensor(result.notes)}

    def unpack(self, tensors: Mapping[str, Tensor]) -> Moved:
        told = {name: tensors[name] for name in ("frames", "changed", "unknown", "camera")}
        return Moved(**told, notes=tuple(from_json_tensor(tensors["notes"])))


@dataclass(frozen=True)
class MovedClip(Stage[Clip]):
    """The clip with its things moved, and its own sound."""

    clip: Stage[Clip]
    moved: MoveThings

    def make(self, session: Any, clip: Clip, moved: Moved) -> Clip:
        for note in moved.notes:
            warnings.warn(note, VeditWarning, stacklevel=2)
        return replace(clip, frames=moved.frames)


@dataclass(frozen=True)
class MovedMask(Stage[Tensor]):
    """Around things at their new places, and what no frame shows: (F, 1, h, w), with what another ``mask`` opens
    beside. Where things were, the ground that other frames show is kept."""

    moved: MoveThings
    mask: Stage[Tensor] | None
    cell: int
    steps_taken: int

    title: ClassVar[str] = "mask"

    def make(self, session: Any, moved: Moved, mask: Tensor | None) -> Tensor:
        opened = latent_mask(moved.unknown[:, None], self.cell, self.steps_taken)
        return opened if mask is None else torch.maximum(opened, mask)
