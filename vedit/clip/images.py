"""Folders of pictures, read as clips."""

from __future__ import annotations

import os
import re
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from vedit.clip.frame_conversion import as_frame
from vedit.clip.sizes import FASTEST, MAX_PIXELS, SLOWEST
from vedit.clip.video_track import existing
from vedit.errors import MediaError
from vedit.warning_filters import filtered

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
"""What pictures may be; a file is taken for what its content is, never for more than these."""

FOLDER_RATE = Fraction(8)
"""Frames per second of a folder whose pictures do not carry a rate (those written by this project do)."""

RATE_KEY = "frame_rate"
"""The text chunk of a PNG in which the rate is kept, such as 30000/1001."""


def list_pictures(folder: Path, expected: str = "a folder of pictures") -> list[Path]:
    """The pictures of a folder in natural order (2 before 10); raises MediaError where there are none, with what is
    ``expected`` in its place."""

    def natural(name: str) -> list[tuple[bool, int, str]]:
        parts = re.split(r"([0-9]+)", name)  # the digits of ASCII alone: others, such as ², are no numbers to int()
        return [(bool(index % 2), int(part) if index % 2 else 0, part.lower()) for index, part in enumerate(parts)]

    try:
        with os.scandir(folder) as entries:
            found = [
                entry.name
                for entry in entries
                if entry.name.lower().endswith(PICTURES) and not entry.name.startswith(".") and entry.is_file()
            ]
    except NotADirectoryError as fault:
        raise MediaError(f"{folder} is no folder; expected {expected}") from fault
    except OSError as fault:
        raise MediaError(f"{folder} cannot be read: {fault.strerror}") from fault
    if not found:
        raise MediaError(f"{folder} holds no pictures ({' '.join(PICTURES)}); expected {expected}")
    return [folder / name for name in sorted(found, key=natural)]


def picture_facts(path: Path) -> tuple[tuple[int, int], Fraction]:
    """Size (H, W) as shown and frame rate, from a picture's header alone."""
    with _image(path) as image:
        width, height = image.size
        try:
            turned = image.getexif().get(0x0112, 1) >= 5  # EXIF orientation: 5 to 8 lie on their side
        except _DAMAGE as fault:  # a PNG is read to its end for it
            raise MediaError(f"{path} is damaged: {fault}") from fault
        rate = _rate(str(image.info.get(RATE_KEY, FOLDER_RATE)))
    return ((width, height) if turned else (height, width)), rate


def check_still(path: Path) -> None:
    """Raise MediaError for a picture that moves, of which a single one is expected."""
    with _image(path) as image:
        frames = int(getattr(image, "n_frames", 1))
    if frames > 1:
        raise MediaError(f"{path} is animated, with {frames} frames; save the one that is meant as a picture")


def _rate(text: str) -> Fraction:
    """The rate that a picture carries; the usual one where that is none that could be meant."""
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9}|/[0-9]{1,9})?", text) is None:  # 1e9999999 would be reckoned for hours
        return FOLDER_RATE
    try:
        rate = Fraction(text)
    except ZeroDivisionError:
        return FOLDER_RATE
    return rate if SLOWEST <= rate <= FASTEST else FOLDER_RATE


def read_picture(path: Path) -> Tensor:
    """One picture as (3, H, W) float32 in [0, 1], upright by its EXIF, transparent parts on black."""
    try:
        with _image(path) as image:
            return frame_of(image)
    except _DAMAGE as fault:
        raise MediaError(f"{path} is damaged: {fault}") from fault


def frame_of(image: Image.Image) -> Tensor:
    """A Pillow image as (3, H, W) float32 in [0, 1], upright by its EXIF, transparent parts on black."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip it at 255
        grey = as_frame(np.asarray(upright).clip(0, 65535).astype(np.uint16)[..., None])
        return grey.repeat(3, 1, 1)
    clear = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
    return as_frame(np.asarray(upright.convert("RGBA" if clear else "RGB")))


_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, struct.error)
"""What Pillow raises of damaged pictures and their metadata."""


def _image(path: Path) -> Image.Image:
    existing(path, PICTURES, "are no pictures", f"expected a picture ({' '.join(PICTURES)})")
    try:
        with filtered("error", Image.DecompressionBombWarning):
            image = Image.open(path, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as fault:
        raise MediaError(f"{path} is too large to decode safely") from fault
    except _DAMAGE as fault:
        raise MediaError(f"{path} cannot be read as a picture; expected one of {' '.join(FORMATS)}") from fault
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise MediaError(
            f"{path}: a picture of {image.width}x{image.height} is too large to decode safely; make it smaller, "
            f"{MAX_PIXELS:,} pixels at most"
        )
    return image
