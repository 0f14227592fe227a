"""A clip that shows a source and its edit at the same time: side by side, stacked, or with a line that wipes across."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
from moviepy import CompositeVideoClip, ImageClip, VideoClip
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vedit.clip.arrays import Frames, Pictures, to_bytes
from vedit.clip.lazy import LazyClip
from vedit.clip.model import Clip
from vedit.clip.sizes import Size, fit_size, resize
from vedit.clip.writing import write_clip
from vedit.config import CompareLayout
from vedit.sheet import INK, PAPER

LEAST, MOST = 256, 4096
"""Pixels: pictures whose longer side has fewer than the first are shown larger by a whole number; a comparison with
more than the second, which many players do not show, has its pictures made smaller."""

LINE = (255, 255, 255)
"""Colour of the line between the two of a wipe."""

SWEEP = 4.0
"""Seconds, about, in which the line of a wipe goes over the picture and comes back."""

LABELS = ("source", "edit")


def compare(
    source: Clip | LazyClip,
    edited: Clip | LazyClip,
    path: str | Path,
    *,
    layout: CompareLayout = "side",
    crf: int = 18,
    codec: str = "libx264",
    overwrite: bool = False,
) -> None:
    """Write a clip of `source` and `edited` together, as long as the latter, at its rate and with its sound.

    Args:
        source: what was edited; it may have another size and rate. Where it is shorter, its last frame stays.
        edited: the edit; where it is silent, the sound is the source's.
        path: a name that Clip.save takes.
        layout: "side", the edit on the right; "stack", the edit below; or "wipe", both in one place, the source left of
            a line that goes to and fro.
        crf, codec: as for Clip.save.

    Raises MediaError as Clip.save does.
    """
    sounding = edited if edited.audio is not None else source
    pictures = composed(source, edited, layout)
    write_clip(
        path,
        pictures,
        edited.rate,
        sounding.audio,
        sounding.audio_origin,
        crf=crf,
        codec=codec,
        overwrite=overwrite,
    )


def composed(source: Clip | LazyClip, edited: Clip | LazyClip, layout: CompareLayout) -> Pictures:
    """The pictures of a comparison, each composed when it is asked for."""
    size = shown_size(edited.size, layout)
    length = len(edited) / edited.rate
    frames = source.frames, edited.frames
    both = [_moving(each, clip.rate, size, length) for each, clip in zip(frames, (source, edited), strict=True)]
    strips = [_strip((label,), size, length) for label in LABELS]
    (height, width), strip, gap = size, strips[0].h, _gap(size)
    if layout == "side":
        positions = [(0, 0), (width + gap, 0), (0, strip), (width + gap, strip)]
        parts, across, down = [*strips, *both], 2 * width + gap, strip + height
    elif layout == "stack":
        positions = [(0, 0), (0, strip + height), (0, strip), (0, 2 * strip + height)]
        parts, across, down = [*strips, *both], width, 2 * (strip + height)
    else:
        left = both[0].with_mask(_wiped(size, length))
        parts, positions = (
            [_strip(LABELS, size, length), both[1], left, _line(size, length)],
            [(0, 0), *[(0, strip)] * 3],
        )
        across, down = width, strip + height
    placed = [part.with_position(position) for part, position in zip(parts, positions)]
    # Even sides, because some players show no others.
    whole = CompositeVideoClip(placed, size=(across + across % 2, down + down % 2), bg_color=PAPER)

    def picture(index: int) -> NDArray[np.uint8]:
        # A little into the frame's time: on its very edge a float may fall to either side.
        shown = whole.get_frame(float((index + Fraction(1, 100)) / edited.rate))
        if index == len(edited) - 1:  # what is amiss with a file is told once its last frame is read
            _ = [each[len(each) - 1] for each in frames]
        return np.ascontiguousarray(shown, dtype=np.uint8)

    return Pictures(len(edited), (whole.h, whole.w), picture)


def shown_size(size: Size, layout: CompareLayout) -> Size:
    """The size (H, W) at which pictures of ``size`` are shown in a comparison."""
    longer = max(size)
    if longer < LEAST:
        return size[0] * math.ceil(LEAST / longer), size[1] * math.ceil(LEAST / longer)
    many = {"side": (1, 2), "stack": (2, 1), "wipe": (1, 1)}[layout]
    too_large = max(size[0] * many[0], size[1] * many[1]) / MOST
    return size if too_large <= 1 else fit_size(size, round(longer / too_large), multiple=2)


def _moving(frames: Frames, rate: Fraction, size: Size, length: Fraction) -> VideoClip:
    """A clip for moviepy of frames (F, 3, H, W) at ``size``."""
    height, width = frames.shape[2:]

    def frame(seconds: float) -> NDArray[np.uint8]:
        index = min(math.floor(seconds * rate), len(frames) - 1)
        times = size[0] // height
        if height * times == size[0] and width * times == size[1]:  # larger by a whole number: no blur
            return to_bytes(frames[index], index).repeat(times, 0).repeat(times, 1)
        return to_bytes(resize(frames[index][None].float(), size)[0], index)

    return VideoClip(frame, duration=float(length))


def _wiped(size: Size, length: Fraction) -> VideoClip:
    """Where a wipe shows the source: left of the line."""

    def mask(seconds: float) -> NDArray[np.float64]:
        return np.broadcast_to((np.arange(size[1]) < _edge(seconds, size, length)).astype(np.float64), size)

    return VideoClip(mask, is_mask=True, duration=float(length))


def _line(size: Size, length: Fraction) -> VideoClip:
    """The line of a wipe."""
    thick = max(2, _gap(size) // 2)

    def mask(seconds: float) -> NDArray[np.float64]:
        away = np.arange(size[1]) - _edge(seconds, size, length) + thick // 2
        return np.broadcast_to(((away >= 0) & (away < thick)).astype(np.float64), size)

    plain = ImageClip(np.broadcast_to(np.asarray(LINE, np.uint8), (*size, 3)), duration=float(length))
    return plain.with_mask(VideoClip(mask, is_mask=True, duration=float(length)))


def _edge(seconds: float, size: Size, length: Fraction) -> int:
    """The column at which the line stands: it sets out from the middle, and ends there."""
    times = max(1, round(float(length) / SWEEP))
    return round(size[1] * (0.5 + 0.45 * math.sin(2 * math.pi * times * seconds / float(length))))


def _strip(labels: tuple[str, ...], size: Size, length: Fraction) -> ImageClip:
    """A strip to lie above a picture of ``size``, with a label at its left end, and one at its right."""
    letters = max(13, size[0] // 28)
    image = Image.new("RGB", (size[1], letters * 3 // 2 // 2 * 2), PAPER)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=letters)
    middle, side = image.height / 2, letters // 3
    draw.text((side, middle), labels[0], fill=INK, font=font, anchor="lm")
    if len(labels) > 1:
        draw.text((size[1] - side, middle), labels[1], fill=INK, font=font, anchor="rm")
    return ImageClip(np.asarray(image), duration=float(length))


def _gap(size: Size) -> int:
    """Pixels between two pictures."""
    return max(4, max(size) // 160)
