"""The picture that is drawn over, as the page is given it."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from PIL import Image

from vedit.clip.images import read_picture
from vedit.clip.sizes import Size


def png_of(path: Path) -> tuple[bytes, Size]:
    """A picture as PNG bytes, upright and without what else its file holds, and its size (H, W). Raises MediaError."""
    frame = read_picture(path)
    held = io.BytesIO()
    pixels = (frame.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    Image.fromarray(pixels).save(held, "PNG", compress_level=1)
    return held.getvalue(), (frame.shape[-2], frame.shape[-1])
