"""A contact sheet: source frames above, edited frames below, in one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vedit.atomic import whole_file
from vedit.clip.model import Clip
from vedit.clip.sizes import resize

MAX_WIDTH = 1600
"""Pixels: the sheet is scaled down to about this."""

GAP = 4
"""Pixels between pictures and around them."""

LABEL = 18
"""Pixels: the height of the line of text above each row."""

PAPER, INK = (24, 24, 24), (230, 230, 230)
"""Colours of the ground and of the letters."""


def contact_sheet(
    source: Clip | None,
    edited: Clip,
    path: str | Path,
    *,
    columns: int = 8,
    label: str = "edited",
    overwrite: bool = False,
) -> None:
    """Write a PNG with `columns` evenly chosen frames of `source`, if any, above those of `edited` at the same moments.

    `label` is written above the latter.

    Fewer columns where the clips have fewer frames. Pictures are scaled down, never up, so that the sheet is about
    1600 pixels wide. Raises MediaError as Clip.save does.
    """
    both = [(name, clip) for name, clip in (("source", source), (label, edited)) if clip is not None]
    sheet_of(both, path, columns=columns, overwrite=overwrite)


def sheet_of(clips: Sequence[tuple[str, Clip]], path: str | Path, *, columns: int = 8, overwrite: bool = False) -> None:
    """Write a PNG with a row of `columns` evenly chosen frames of each clip under its name; see `contact_sheet`."""
    if columns < 1:
        raise ValueError(f"a sheet needs one column or more, not {columns}")
    columns = min(columns, max(len(clip) for _, clip in clips))
    across = max(1, (MAX_WIDTH - GAP * (columns + 1)) // columns)
    rows = [(name, _row(clip, columns, across)) for name, clip in clips]
    width = max(GAP + sum(image.width + GAP for image in images) for _, images in rows)
    height = GAP + sum(LABEL + images[0].height + GAP for _, images in rows)

    sheet = Image.new("RGB", (width, height), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    top = GAP
    for label, images in rows:
        draw.text((GAP, top), label, fill=INK, font=font)
        top += LABEL
        left = GAP
        for image in images:
            sheet.paste(image, (left, top))
            left += image.width + GAP
        top += images[0].height + GAP
    with whole_file(path, overwrite) as beside:
        sheet.save(beside, format="PNG")


def _row(clip: Clip, columns: int, across: int) -> list[Image.Image]:
    """`columns` frames, or all where they are fewer, spread evenly, each at most `across` pixels wide."""
    spread = sorted({round(k * (len(clip) - 1) / max(1, columns - 1)) for k in range(columns)})
    height, width = clip.size
    size = (max(1, round(height * across / width)), across) if width > across else clip.size
    return [_image(resize(clip.frames[i : i + 1].detach().to("cpu", torch.float32), size)[0]) for i in spread]


def _image(frame: Tensor) -> Image.Image:
    pixels = (frame.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
