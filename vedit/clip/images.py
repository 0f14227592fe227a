"""Folders of pictures, read as clips."""

from __future__ import annotations

import re
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from vedit.clip.picture import on_black
from vedit.clip.track import MAX_PIXELS
from vedit.errors import MediaError

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
"""What pictures may be; a file is taken for what its content is, never for more than these."""

FOLDER_RATE = Fraction(8)
"""Frames per second of a folder whose pictures do not carry a rate (those written by this project do)."""

RATE_KEY = "frame_rate"
"""The text chunk of a PNG in which the rate is kept, such as 30000/1001."""


def list_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order (2 before 10); raises MediaError where there are none."""

    def natural(path: Path) -> list[tuple[bool, int, str]]:
        parts = re.split(r"(\d+)", path.name)
        return [(part.isdigit(), int(part) if part.isdigit() else 0, part.lower()) for part in parts]

    try:
        entries = list(folder.iterdir())
    except OSError as fault:
        raise MediaError(f"{folder} cannot be read: {fault.strerror}") from fault
    found = [e for e in entries if e.suffix.lower() in PICTURES and not e.name.startswith(".") and e.is_file()]
    if not found:
        raise MediaError(f"{folder} holds no pictures; expected a video file or a folder of {' '.join(PICTURES)}")
    return sorted(found, key=natural)


def picture_facts(path: Path) -> tuple[tuple[int, int], Fraction]:
    """Size (H, W) as shown and frame rate, from a picture's header alone."""
    with _image(path) as image:
        width, height = image.size
        try:
            turned = image.getexif().get(0x0112, 1) >= 5  # EXIF orientation: 5 to 8 lie on their side
        except (OSError, SyntaxError, ValueError) as fault:  # a PNG is read to its end for it
            raise MediaError(f"{path} is damaged: {fault}") from fault
        try:
            rate = Fraction(str(image.info.get(RATE_KEY, FOLDER_RATE)))
        except (ValueError, ZeroDivisionError):
            rate = FOLDER_RATE
    return ((width, height) if turned else (height, width)), (rate if rate > 0 else FOLDER_RATE)


def read_picture(path: Path) -> Tensor:
    """One picture as (3, H, W) float32 in [0, 1], upright by its EXIF, transparent parts on black."""
    try:
        with _image(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip it at 255
                grey = np.asarray(upright).astype(np.float32) / 65535.0
                pixels = np.repeat(grey[..., None], 3, axis=2)
            else:
                clear = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
                pixels = on_black(np.asarray(upright.convert("RGBA" if clear else "RGB")).astype(np.float32) / 255.0)
    except (OSError, SyntaxError, ValueError) as fault:
        raise MediaError(f"{path} is damaged: {fault}") from fault
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def _image(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(path, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as fault:
        raise MediaError(f"{path} is too large to decode safely") from fault
    except (OSError, SyntaxError, ValueError) as fault:
        raise MediaError(f"{path} cannot be read as a picture; expected one of {' '.join(FORMATS)}") from fault
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise MediaError(f"{path}: a picture of {image.width}x{image.height} is too large to decode safely")
    return image
