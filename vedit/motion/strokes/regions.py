"""The masks of a strokes file as regions of a picture: boxes, outlines, and pictures that are white there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from vedit.clip.images import read_picture
from vedit.clip.sizes import Size, resize
from vedit.config import box_of
from vedit.errors import ConfigError
from vedit.motion.strokes.fields import WORD, Point, is_box, word_of
from vedit.motion.strokes.scale import ASPECT, Scale

FRACTION_BITS = 4
"""Of the corners of an outline, as OpenCV takes them: 1/16 of a pixel."""


Found = Mapping[str, Tensor]
"""What of a picture shows each word: (H, W) bool."""


def region(mask: str | Sequence[Point] | None, scale: Scale, found: Found | None = None) -> Tensor | None:
    """(H, W) bool, what a mask covers; None for no mask.

    Args:
        mask: as a file has it
        scale: of the file's coordinates
        found: the words that a model has found in the picture; None where none has looked

    Raises:
        ConfigError: where it covers nothing of the picture or has another aspect, and for a word where no model looks
        MediaError: for a file that cannot be read as a picture
    """
    if mask is None:
        return None
    if (word := word_of(mask)) is not None:
        covered, what = _shown(word, found), f"{mask}, as the model finds it,"
    elif not isinstance(mask, str):
        covered, what = _outline(mask, scale), "the outline"
    elif is_box(mask):
        covered, what = _box(mask, scale), mask
    else:
        covered, what = _painted(Path(mask), scale.size), f"the mask {mask}"
    if not bool(covered.any()):
        raise ConfigError(f"{what} covers nothing of the picture; draw it around what moves or stays.")
    return covered


def not_looked_for(word: str) -> ConfigError:
    """No model has looked for a word."""
    return ConfigError(
        f"the mask {WORD}{word} needs a model that looks at a picture, as `vedit animate` and `vedit edit` have; "
        "here expected a picture, box:X,Y,W,H, or an outline."
    )


def _shown(word: str, found: Found | None) -> Tensor:
    if found is None:
        raise not_looked_for(word)
    return found[word]


def _outline(corners: Sequence[Point], scale: Scale) -> Tensor:
    filled = np.zeros(scale.size, np.uint8)
    places = np.round(scale.points(corners) * 2**FRACTION_BITS).astype(np.int32)
    cv2.fillPoly(filled, [places], 1, shift=FRACTION_BITS)
    return torch.from_numpy(filled).bool()


def _box(text: str, scale: Scale) -> Tensor:
    """The pixels whose middles lie in a box."""
    x, y, width, height = box_of(text)
    shares = max(x, y, width, height) <= 1
    (left, top), (right, bottom) = Scale(None if shares else scale.canvas, scale.size).points(
        ((x, y), (x + width, y + height))
    )
    if not shares and scale.canvas is not None:  # a box is told by its edges, which lie before the middles of pixels
        left, right = left - scale.factors[0] / 2, right - scale.factors[0] / 2
        top, bottom = top - scale.factors[1] / 2, bottom - scale.factors[1] / 2
    down, across = torch.arange(scale.size[0])[:, None], torch.arange(scale.size[1])[None]
    return (across >= left) & (across < right) & (down >= top) & (down < bottom)


def _painted(path: Path, size: Size) -> Tensor:
    picture = read_picture(path)
    height, width = picture.shape[-2:]
    if abs((width / height) / (size[1] / size[0]) - 1) > ASPECT and abs(width * size[0] / height - size[1]) > 8:
        raise ConfigError(
            f"the mask {path} is {width}x{height}, and the picture {size[1]}x{size[0]}; expected the same aspect."
        )
    return resize(picture[None], size)[0].mean(0) > 0.5
