"""Annotators: a clip in, the control pictures that a ControlNet is shown out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from vedit.clip import Clip, read_clip
from vedit.clip.images import PICTURES, read_picture
from vedit.clip.lazy import LazyClip
from vedit.clip.sizes import resize
from vedit.config import Settings
from vedit.errors import ConfigError, MediaError
from vedit.flow import Flow, Method, estimate_flow
from vedit.part import Family, Need, Part

CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Annotation:
    """What an annotator found in a clip.

    pictures: (F, 3, H, W) float32 in [0, 1], drawn as the ControlNets of that kind were trained on it; or a clip that
        draws each when it is asked for
    """

    pictures: Tensor | LazyClip = field(repr=False)

    @cached_property
    def frames(self) -> Tensor:
        """The pictures (F, 3, H, W), all in memory."""
        return self.pictures if isinstance(self.pictures, Tensor) else self.pictures.whole().frames

    def save_data(self, path: Path, *, overwrite: bool = False) -> None:
        """Write what was found as numbers. Raises ConfigError where the picture is all there is."""
        raise ConfigError(f"{path}: this annotator finds no more than its picture; leave --save-data.")


class Annotator(Part, ABC):
    """Draws control pictures of a clip's own size. Heavy libraries are imported when one is made or used."""

    needs: ClassVar[frozenset[Need]] = frozenset({"clip"})

    @abstractmethod
    def annotate(self, clip: Clip, device: torch.device = CPU) -> Annotation:
        """Of a clip (F, 3, H, W); networks run on ``device``. Repeats to the bit on a CPU."""

    def read(self, path: Path, clip: Clip) -> Annotation:
        """What lies in a file instead of being looked for in ``clip``: control pictures drawn before, as a video, a
        folder of pictures, or one picture for all frames. Raises MediaError for another number of frames."""
        return Annotation(read_frames(path, clip))


class FrameByFrame(Annotator):
    """Looks at one frame at a time, so it also takes a clip that is never whole in memory, and draws so."""

    @abstractmethod
    def annotate(self, clip: Clip | LazyClip, device: torch.device = CPU) -> Annotation:
        """As above, with pictures that are drawn when they are asked for."""


class FromFlow(Annotator):
    """Draws what it does of the clip's optical flow, so that one that is estimated already serves it too."""

    needs: ClassVar[frozenset[Need]] = frozenset({"clip", "flow"})

    class Options(Settings):
        """How flow is estimated."""

        method: Method = Field("dis", description="dis: OpenCV's, without weights; raft: torchvision's, with them.")

    options: Options

    def annotate(self, clip: Clip, device: torch.device = CPU) -> Annotation:
        return self.draw(estimate_flow(clip.frames, self.options.method, device))

    @abstractmethod
    def draw(self, flow: Flow) -> Annotation:
        """Pictures of a flow of F frames, estimated by the method of the options."""


ANNOTATORS = Family[Annotator]("annotators")


def read_frames(path: Path, clip: Clip) -> Tensor:
    """Pictures (F, 3, H, W) for each frame of ``clip``, at its size: from a video or a folder, or one for all."""
    if path.suffix.lower() in PICTURES:
        frames = resize(read_picture(path)[None], clip.size).expand(len(clip), -1, -1, -1)
    else:
        frames = read_clip(path, size=clip.size).frames
    if len(frames) != len(clip):
        raise MediaError(f"{path} has {len(frames)} frames, the clip {len(clip)}; give one for each, or one picture.")
    return frames
