"""Clip: frames, their exact rate, and the sound that belongs to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from vedit.clip.sizes import Size, fit_size, resize
from vedit.clip.sound import Audio, SoundSource
from vedit.clip.writing import write_clip


@dataclass(frozen=True, eq=False)
class Clip:
    """A piece of video in memory.

    frames: (F, 3, H, W) float32 in [0, 1], F at least 1
    rate: frames per second, exact
    audio: the sound, sample 0 when frame 0 is shown; None for silence
    sound_from: the file that `audio` was decoded from; `save` then copies its sound stream without encoding it anew
    where the output can carry it. It must tell the same sound as `audio`: use `with_sound` to exchange both.
    """

    frames: Tensor
    rate: Fraction
    audio: Audio | None = None
    sound_from: SoundSource | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.frames.shape)
        if len(shape) != 4 or shape[1] != 3 or 0 in shape or not self.frames.is_floating_point():
            raise ValueError(f"a clip's frames are floats (F, 3, H, W), not {self.frames.dtype} {shape}")
        object.__setattr__(self, "rate", Fraction(str(self.rate)))  # 8 and 29.97 are taken too, as they are written
        if self.rate <= 0:
            raise ValueError(f"a clip's rate is above 0 frames per second, not {self.rate}")

    def __len__(self) -> int:
        return int(self.frames.shape[0])

    @property
    def size(self) -> Size:
        """(H, W) in pixels."""
        return int(self.frames.shape[2]), int(self.frames.shape[3])

    @property
    def duration(self) -> float:
        """Seconds, the last frame's own time included."""
        return float(len(self) / self.rate)

    def resized(self, size: int | Size) -> Clip:
        """At another size: (height, width), or an int for the longer side with the aspect kept. Never crops."""
        return replace(self, frames=resize(self.frames, _exact(self.size, size)))

    def with_frames(self, frames: Tensor) -> Clip:
        """Other frames (F', 3, H', W'), same rate and sound; where they are fewer, the sound ends with them."""
        clip = replace(self, frames=frames)
        if self.audio is None or len(clip) >= len(self):
            return clip
        kept = round(len(clip) / clip.rate * self.audio.rate)
        return replace(clip, audio=Audio(self.audio.samples[:, :kept], self.audio.rate))

    def with_sound(self, audio: Audio | None) -> Clip:
        """The same frames with another sound, or silent."""
        return replace(self, audio=audio, sound_from=None)

    def save(self, path: str | Path, *, crf: int = 18, codec: str = "libx264", overwrite: bool = False) -> None:
        """Write the clip; what is written is decided by the name.

        .mp4 .m4v .mov .mkv: H.264, 4:2:0, or 4:4:4 where a side is odd, so that the size is kept exactly (some
        players do not show 4:4:4). .webm: VP9. .gif: a palette per frame, times rounded to 1/100 s. No suffix, or a
        name that ends with "/": a folder of PNGs, 00000.png and on. `crf`: 0 (best) to 51 (63 for VP9).

        The file appears whole or not at all, and the same clip gives the same bytes. Raises MediaError where `path`
        exists (unless `overwrite`), its folder is missing or not writable, or the clip cannot be encoded.
        """
        write_clip(path, self.frames, self.rate, self.audio, self.sound_from, crf=crf, codec=codec, overwrite=overwrite)


def _exact(size: Size, target: int | Size | None) -> Size:
    return fit_size(size, target, multiple=1)
