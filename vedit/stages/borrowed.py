"""The motion of a clip, borrowed for a picture."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from vedit.clip import probe, read_clip
from vedit.clip.images import picture_facts
from vedit.clip.sizes import Size, fit_size
from vedit.config.fields import mask_kind
from vedit.errors import ConfigError, MediaError, VeditWarning
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.motion.borrowed import borrowed
from vedit.motion.clip_motion import ClipMotion, motion_of
from vedit.motion.cut_out import main_thing
from vedit.motion.strokes import Drawn
from vedit.motion.strokes.regions import region
from vedit.motion.strokes.scale import Scale
from vedit.timeline import Moments

WORKED_AT = 256
"""Longest side in pixels at which the clip is looked at."""

FINENESS = 2
"""Frames of the clip for each one that is made, at most: flow is found more surely over short ways."""


@dataclass(frozen=True)
class BorrowMotion(Stage[Drawn]):
    """What moves in a clip, as strokes over a picture.

    Attributes:
        picture: (3, H, W)
        donor: the clip
        mask: what of the picture moves: "auto", a box, or the path of a picture
        mask_file: that picture, by what it holds; None for others
        size: (H, W) of the picture
        own: the same of its file, whose pixels a box counts
        moments: the frames that are made
    """

    picture: Stage[Tensor]
    donor: File
    mask: str
    mask_file: File | None
    size: Size
    own: Size
    moments: Moments

    title: ClassVar[str] = "borrowing"
    version: ClassVar[int] = 2

    @classmethod
    def of(
        cls, donor: Path, mask: str, picture: Stage[Tensor], size: Size, own: Size, moments: Moments
    ) -> BorrowMotion:
        file = File.of(Path(mask)) if mask_kind(mask) == "path" else None
        return cls(picture, File.of(donor), mask, file, size, own, moments)

    def make(self, session: Any, picture: Tensor) -> Drawn:
        motion = self._motion()
        thing = None
        if motion.has_thing:
            thing = main_thing(picture) if self.mask == "auto" else region(self.mask, Scale(self.own, self.size))
            if thing is None:
                raise ConfigError(
                    "nothing stands out of the picture that could take on the motion; say what with --motion-mask."
                )
        drawn = borrowed(motion, self.size, thing)
        self._tell_of_end(drawn)
        return drawn

    def _motion(self) -> ClipMotion:
        """The clip's, in the frames that are made. Raises MediaError where it stands still."""
        path, rate = self.donor.path, self.moments.rate
        facts = probe(path)
        stride = max(1, int(facts.rate / (FINENESS * rate)))
        wanted = int(self.moments.frames * facts.rate / rate) + stride + 1
        size = fit_size(facts.size, min(WORKED_AT, max(facts.size)), 1)
        frames = min(facts.frames, wanted)
        clip = read_clip(path, size=size, frames=-(-frames // stride), stride=stride, sound=False)
        found = motion_of(clip.frames)
        if found.stands_still:
            raise MediaError(f"{path}: nothing moves in it; expected a clip with a motion to borrow.")
        times = np.arange(self.moments.frames, dtype=np.float64) * float(clip.rate / rate)
        if times[-1] > len(clip) - 1 + float(clip.rate / rate):
            lasts = float(len(clip) / clip.rate)
            warnings.warn(
                f"{path} lasts {lasts:.1f} s and {float(self.moments.frames / rate):.1f} s are made: the motion ends "
                "there.",
                VeditWarning,
                stacklevel=2,
            )
        return found.at(times)

    def _tell_of_end(self, drawn: Drawn) -> None:
        """Warn where the thing leaves the picture."""
        for way in drawn.on_screen(drawn.tracks):
            out = (way < 0).any(1) | (way[:, 0] >= self.size[1]) | (way[:, 1] >= self.size[0])
            if out.any():
                warnings.warn(
                    f"the borrowed motion takes its thing out of the picture in frame {int(out.int().argmax())}; "
                    "begin with one that has more room there.",
                    VeditWarning,
                    stacklevel=2,
                )


def check_donor(path: Path) -> None:
    """Find faults of a clip whose motion is to be borrowed that show without decoding it. Raises MediaError."""
    facts = probe(path)
    if facts.frames < 2:
        raise MediaError(f"{path} has one frame; expected a clip with a motion to borrow.")


def check_mask(mask: str) -> None:
    """The same of a mask of the picture's thing."""
    if mask_kind(mask) == "path":
        picture_facts(Path(mask))
