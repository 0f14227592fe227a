"""Clip: frames, their exact rate, and the sound that belongs to them."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from vedit.clip.arrays import as_bytes, check_frames, from_array, from_images, kind_of
from vedit.clip.audio import Audio, AudioOrigin
from vedit.clip.preview import preview
from vedit.clip.sizes import Size, fit_size, resize
from vedit.clip.writing import write_clip


@dataclass(frozen=True, eq=False)
class Clip:
    """A piece of video in memory. In a notebook it plays.

    ``len(clip)`` counts its frames; ``clip[3:8]`` and ``clip[::2]`` cut it, sound and all; ``clip[3]`` is a clip of one
    frame, and so is each that a loop goes over. Raises TypeError and ValueError for frames or a rate that cannot be.

    Args:
        frames: (F, 3, H, W) float32 in [0, 1], F at least 1
        rate: frames per second, exact; any number above 0 is taken as it is written, 29.97 too
        audio: the sound, sample 0 when frame 0 is shown; None for silence
        audio_origin: the file that `audio` was decoded from; `save` then copies its sound stream without encoding it
            anew where the output can carry it. It must tell the same sound as `audio`: use `with_sound` to exchange
            both.
    """

    frames: Tensor
    rate: Fraction
    audio: Audio | None = None
    audio_origin: AudioOrigin | None = None

    def __post_init__(self) -> None:
        check_frames(self.frames)
        object.__setattr__(self, "rate", _exact_rate(self.rate))
        if self.audio is not None and not isinstance(self.audio, Audio):
            raise TypeError(f"a clip's audio is a vedit.Audio or None, not {kind_of(self.audio)}")

    @classmethod
    def from_numpy(cls, array: NDArray[Any], *, fps: float | Fraction) -> Clip:
        """A silent clip of an array.

        Args:
            array: (F, H, W, 3), uint8 or floats in [0, 1]
            fps: frames per second, above 0

        Raises:
            TypeError: for what is no array
            ValueError: for another shape, number format or range
        """
        return cls(from_array(array), fps)  # type: ignore[arg-type]

    @classmethod
    def from_images(cls, images: Sequence[Image.Image], *, fps: float | Fraction) -> Clip:
        """A silent clip of Pillow images.

        Args:
            images: one or more, of one size; upright by their EXIF, transparent parts on black
            fps: frames per second, above 0

        Raises:
            TypeError: for what is no image
            ValueError: for none, or for several sizes
        """
        return cls(from_images(images), fps)  # type: ignore[arg-type]

    def numpy(self) -> NDArray[np.uint8]:
        """The frames as an array (F, H, W, 3) of uint8, as they would be written. ``clip.frames`` has the floats."""
        return np.stack(list(as_bytes(self.frames)))

    def images(self) -> list[Image.Image]:
        """The frames as Pillow images (RGB), one for each."""
        return [Image.fromarray(pixels) for pixels in as_bytes(self.frames)]

    def __len__(self) -> int:
        return int(self.frames.shape[0])

    def __getitem__(self, which: int | slice) -> Clip:
        """The frames of a slice, or one frame, as a clip.

        With a stride the clip lasts as long as before: its rate is divided. The sound is cut in step with the frames,
        and played backwards where they are. The frames are shared, not copied, unless they run backwards.

        Raises:
            IndexError: where there are no such frames
        """
        every = range(len(self))
        if isinstance(which, slice):
            chosen = every[which]
            if not chosen:
                raise IndexError(f"a clip has one frame or more, and {which} of {len(self)} takes none")
        else:
            try:
                first = operator.index(which)
            except TypeError:
                raise TypeError(f"a clip is cut by whole numbers and slices, not {kind_of(which)}") from None
            if not -len(self) <= first < len(self):
                raise IndexError(f"there is no frame {first}; the clip has {len(self)}")
            chosen = every[first : first + 1] if first >= 0 else every[first:][:1]
        forwards = chosen if chosen.step > 0 else chosen[::-1]
        frames, rate = self.frames[forwards.start : forwards.stop : forwards.step], self.rate / forwards.step
        begin, duration = forwards.start / self.rate, len(forwards) / rate
        audio, source = _cut(self.audio, begin, duration), self.audio_origin
        if source is not None:
            left = max(Fraction(0), source.duration - begin)
            source = replace(source, start=source.start + begin, duration=min(duration, left))
        if chosen.step < 0:
            frames, audio, source = frames.flip(0), _backwards(audio, duration), None
        return replace(self, frames=frames, rate=rate, audio=audio, audio_origin=source if audio is not None else None)

    def __iter__(self) -> Iterator[Clip]:
        """The frames one by one, each as a clip, as ``clip[i]`` is; ``images`` and ``numpy`` have the pictures."""
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return described(len(self), self.size, self.rate, self.audio)

    def _repr_html_(self) -> str:
        return preview(self.frames, self.rate, self.audio, repr(self))

    @property
    def fps(self) -> float:
        """Frames per second, as a float; ``rate`` is exact."""
        return float(self.rate)

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
        return replace(self, audio=audio, audio_origin=None)

    def save(self, path: str | Path, *, crf: int = 18, codec: str = "libx264", overwrite: bool = False) -> None:
        """Write the clip; what is written is decided by the name.

        .mp4 .m4v .mov .mkv: H.264, 4:2:0, or 4:4:4 where a side is odd, so that the size is kept exactly (some
        players do not show 4:4:4). .webm: VP9. .gif: a palette per frame, times rounded to 1/100 s. .webp:
        an animation, times rounded to 1/1000 s. No suffix, or a
        name that ends with "/": a folder of PNGs, 00000.png and on. `crf`: 0 (best) to 51 (63 for VP9).

        The file appears whole or not at all, and the same clip gives the same bytes. Raises MediaError where `path`
        exists (unless `overwrite`), its folder is missing or not writable, or the clip cannot be encoded.
        """
        write_clip(
            path, self.frames, self.rate, self.audio, self.audio_origin, crf=crf, codec=codec, overwrite=overwrite
        )


def described(count: int, size: Size, rate: Fraction, audio: Audio | None) -> str:
    """A clip in a line."""
    frames = f"{count} frame{'s' if count > 1 else ''}"
    return f"Clip({frames}, {size[1]}x{size[0]}, {float(rate):g} fps, {'silent' if audio is None else 'with sound'})"


def _exact_rate(rate: Any) -> Fraction:
    """A rate as it is written: 29.97 is 2997/100. Raises TypeError for no number, ValueError for one not above 0."""
    if isinstance(rate, bool) or not isinstance(rate, Real):
        raise TypeError(f"a clip's rate is a number of frames per second, not {kind_of(rate)}")
    if not math.isfinite(rate) or rate <= 0:
        raise ValueError(f"a clip's rate is above 0 frames per second, not {rate}")
    return Fraction(str(rate))


def _cut(audio: Audio | None, begin: Fraction, duration: Fraction) -> Audio | None:
    """A piece of a sound (both in seconds); None where it is silent there."""
    if audio is None:
        return None
    samples = audio.samples[:, round(begin * audio.rate) : round((begin + duration) * audio.rate)]
    return Audio(samples, audio.rate) if samples.shape[1] else None


def _backwards(audio: Audio | None, duration: Fraction) -> Audio | None:
    """A sound from its end, which lies ``duration`` seconds from its beginning."""
    if audio is None:
        return None
    silence = max(0, round(duration * audio.rate) - audio.samples.shape[1])
    return Audio(functional.pad(audio.samples, (0, silence)).flip(1), audio.rate)


def _exact(size: Size, target: int | Size | None) -> Size:
    return fit_size(size, target, multiple=1)
