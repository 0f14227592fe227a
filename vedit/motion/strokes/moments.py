"""The frames of a clip as a strokes file counts them, which may be drawn at another rate or for another length."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from vedit.timeline import Moments


@dataclass(frozen=True, eq=False)
class FileMoments(Moments):
    """The frames of a clip. Wherever a time in frames is read, also in timelines, it is one of the file's.

    Attributes:
        scale: frames of the file for each of the clip
        end: the clip's frame, and the share of the way to the next, at which what has no times ends
    """

    scale: float = 1.0
    end: float = 0.0

    @classmethod
    def of(cls, moments: Moments, frames: int | None, rate: Fraction | None, loop: bool) -> FileMoments:
        """Frames of a clip, and how many frames at which rate a file is drawn for.

        With a rate, seconds are what both have in common. Without, the file's frames are spread over the clip.
        In a loop, what has no times ends where the first frame would come again.
        """
        count = moments.frames
        scale, end = 1.0, float(count if loop else count - 1)
        if rate is not None:
            scale = float(rate / moments.rate)
            if frames is not None and not loop:
                end = (frames - 1) / scale
        elif frames is not None:
            scale = frames / count if loop else (frames - 1) / max(count - 1, 1)
        return cls(count, moments.rate, moments.features, moments.beats, scale=scale, end=end)

    def names(self, frame: int) -> dict[str, float]:
        """What the names of an expression stand for in a frame of the clip."""
        return {**super().names(frame), "f": frame * self.scale}

    def frame_at(self, time: float, unit: str) -> float:
        """The file's frame at a time in its own frames ("f"), in seconds ("t") or in beats ("b")."""
        return time if unit == "f" else super().frame_at(time, unit) * self.scale

    def clip_frame(self, time: float, unit: str) -> float:
        """The clip's frame, and the share of the way to the next, at such a time."""
        return self.frame_at(time, unit) / self.scale
