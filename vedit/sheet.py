"""A contact sheet: rows of frames at the same moments, source above edit, in one PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vedit.atomic import whole_file
from vedit.clip.arrays import to_bytes
from vedit.clip.lazy import LazyClip
from vedit.clip.model import Clip
from vedit.clip.sizes import Size, resize

MAX_WIDTH = 1600
"""Pixels: a sheet is at most this wide."""

AREA = 180 * 180
"""Pixels of one picture, about, where there are more frames than columns: so wide pictures get fewer columns."""

MOST_COLUMNS = 12

LEAST = 96
"""Pixels: pictures whose longer side has fewer are shown larger, by a whole number."""

GAP, CAPTION = 4, 18
"""Pixels: between pictures and around them; the height of a line of text above them."""

PAPER, INK, DIM = (24, 24, 24), (230, 230, 230), (150, 150, 150)
"""Colours of the ground, of names, and of captions."""

STRETCH = 1.1
"""By how much the shapes of two clips may differ, as sizes rounded for a model do, and still fill one cell."""


@dataclass(frozen=True)
class Row:
    """A row of a sheet: its name, its clip, and which of its frames may be shown, or None for all."""

    name: str
    clip: Clip | LazyClip
    frames: Sequence[int] | None = None

    def spread(self, columns: int) -> list[int]:
        """The numbers of `columns` frames, or all where they are fewer, the first and the last among them."""
        numbers = self.frames if self.frames is not None else range(len(self.clip))
        last = len(numbers) - 1
        return [numbers[at] for at in sorted({round(k * last / max(1, columns - 1)) for k in range(columns)})]


def contact_sheet(
    source: Clip | LazyClip | None,
    edited: Clip | LazyClip,
    path: str | Path,
    *,
    columns: int | None = None,
    label: str = "edit",
    overwrite: bool = False,
) -> None:
    """Write a PNG with evenly chosen frames of `source`, if any, above those of `edited` at the same moments.

    `label` names the latter; for `columns` see `sheet_of`. Raises MediaError as Clip.save does.
    """
    rows = [Row(label, edited)]
    if source is not None:
        last = len(source) - 1
        same = [min(last, math.floor(number / edited.rate * source.rate)) for number in range(len(edited))]
        rows = [Row("source", source, same), *rows]
    sheet_of(rows, path, columns=columns, overwrite=overwrite)


def sheet_of(rows: Sequence[Row], path: str | Path, *, columns: int | None = None, overwrite: bool = False) -> None:
    """Write a PNG with a row of evenly chosen frames of each clip, in cells of one size, beside its name; above them
    the number of each frame and its second.

    `columns`: how many frames of a row, at most; by default all where they can be made out, else as many as can.
    Raises MediaError as Clip.save does.
    """
    if columns is not None and columns < 1:
        raise ValueError(f"a sheet needs one column or more, not {columns}")
    font = ImageFont.load_default(size=12)
    side = GAP + math.ceil(max(font.getlength(row.name) for row in rows)) + 2 * GAP
    largest = max((row.clip.size for row in rows), key=lambda size: size[0] * size[1])
    columns = columns or _columns(largest, max(len(row.spread(len(row.clip))) for row in rows), MAX_WIDTH - side)
    numbers = [row.spread(columns) for row in rows]
    across = max(len(each) for each in numbers)
    height, width = _cell(largest, (MAX_WIDTH - side) // across - GAP)
    captioned = [index == 0 or numbers[index] != numbers[index - 1] for index in range(len(rows))]

    lines = sum(captioned) * CAPTION + len(rows) * (height + GAP)
    sheet = Image.new("RGB", (side + across * (width + GAP), GAP + lines), PAPER)
    draw, top = ImageDraw.Draw(sheet), GAP
    for row, chosen, caption in zip(rows, numbers, captioned, strict=True):
        top += CAPTION if caption else 0
        draw.text((GAP, top + height // 2), row.name, fill=INK, font=font, anchor="lm")
        images = _images(row.clip, chosen, (height, width))
        for column, number in enumerate(chosen):
            left = side + column * (width + GAP)
            if caption:
                text = f"#{number}  {float(number / row.clip.rate):.2f} s"
                text = text if font.getlength(text) <= width else f"#{number}"
                draw.text((left, top - GAP), text, fill=DIM, font=font, anchor="ls")
            image = images[number]
            sheet.paste(image, (left + (width - image.width) // 2, top + (height - image.height) // 2))
        top += height + GAP
    with whole_file(path, overwrite) as beside:
        sheet.save(beside, format="PNG")


def _columns(size: Size, frames: int, room: int) -> int:
    """How many pictures of a size (H, W) stand in a row of so many pixels: all frames where that leaves two thirds of
    the usual width."""
    height, width = size
    usual = min(round(math.sqrt(AREA * width / height)), _cell(size, room)[1])
    most = min(MOST_COLUMNS, room // (usual * 2 // 3 + GAP))
    return max(1, frames if frames <= most else min(MOST_COLUMNS, room // (usual + GAP)))


def _cell(size: Size, width: int) -> Size:
    """The size (H, W) at which a picture of a size is shown, where it may be so wide."""
    times = max(1, min(math.ceil(LEAST / max(size)), width // size[1]))
    scale = min(float(times), max(1, width) / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _images(clip: Clip | LazyClip, numbers: Sequence[int], cell: Size) -> dict[int, Image.Image]:
    """Frames by their numbers, each made to fit a cell (H, W) before the next one is looked at."""
    once = sorted(set(numbers))
    frames = clip.make(once) if isinstance(clip, LazyClip) else (clip.frames[number] for number in once)
    return {number: _image(frame, cell) for number, frame in zip(once, frames, strict=True)}


def _image(frame: Tensor, cell: Size) -> Image.Image:
    """A frame (3, H, W) that fills a cell (H, W); or, of another shape, that fits into it."""
    height, width = frame.shape[1:]
    down, across = cell[0] / height, cell[1] / width
    if max(down / across, across / down) > STRETCH:
        down = across = min(down, across)
    size = max(1, round(height * down)), max(1, round(width * across))
    if size[0] % height == 0 and size[1] % width == 0:  # larger by a whole number: no blur
        return Image.fromarray(to_bytes(frame).repeat(size[0] // height, 0).repeat(size[1] // width, 1))
    return Image.fromarray(to_bytes(resize(frame[None].detach().float(), size)[0]))
