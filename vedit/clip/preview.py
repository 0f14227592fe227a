"""A clip as a notebook shows it: HTML with a small video in it."""

from __future__ import annotations

import html
import io
from base64 import b64encode
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vedit.clip.arrays import Frames, Pictures, to_bytes
from vedit.clip.audio import Audio
from vedit.clip.sizes import Size, fit_size, resize
from vedit.clip.writing import write_clip

LONGEST_SIDE = 512
"""Pixels of a preview: larger pictures are scaled down, smaller ones are shown as they are."""

MOST_FRAMES = 240
"""Of a preview: of a longer clip, its beginning."""

MOST_BYTES = 4_000_000
"""Of a preview's file: what comes out larger is tried smaller, since a notebook keeps all that it shows."""


def preview(frames: Frames, rate: Fraction, audio: Audio | None, caption: str, source: Frames | None = None) -> str:
    """HTML that plays frames (F, 3, H, W), or shows one; bounded in size, whatever the clip.

    Where there is a ``source`` of as many frames, of any size, it is shown left of them.
    """
    size = int(frames.shape[2]), int(frames.shape[3])
    count, note = min(len(frames), MOST_FRAMES), ""
    if count < len(frames):
        note = f"; the first {count} frames"
    content, kind = b"", "video/mp4"
    if count > 1:
        content = _video(frames, source, count, size, rate, audio)
    if count == 1 or len(content) > MOST_BYTES:
        note = "" if len(frames) == 1 else "; the first frame"
        content, kind = _picture(frames, source, size), "image/png"
    data = f'src="data:{kind};base64,{b64encode(content).decode("ascii")}"'
    tag = f"<video controls loop playsinline {data}></video>" if kind == "video/mp4" else f'<img alt="" {data}>'
    return f"<figure>{tag}<figcaption>{html.escape(caption + note)}</figcaption></figure>"


def _video(frames: Frames, source: Frames | None, count: int, size: Size, rate: Fraction, audio: Audio | None) -> bytes:
    """An mp4 that browsers play, the largest of some sizes that is small enough, else the smallest."""
    with TemporaryDirectory() as folder:
        path, content = Path(folder, "preview.mp4"), b""
        for height, width in _sizes(size):

            def picture(index: int, inside: Size = (height, width)) -> NDArray[np.uint8]:
                return _shown(frames, source, index, inside)

            whole = height, width * (1 if source is None else 2)
            pictures = Pictures(count, whole, picture)
            write_clip(path, pictures, rate, audio, None, crf=23, codec="libx264", overwrite=True)
            content = path.read_bytes()
            if len(content) <= MOST_BYTES:
                break
        return content


def _picture(frames: Frames, source: Frames | None, size: Size) -> bytes:
    """The first frame as a PNG."""
    content = io.BytesIO()
    Image.fromarray(_shown(frames, source, 0, next(_sizes(size, multiple=1)))).save(content, "PNG")
    return content.getvalue()


def _shown(frames: Frames, source: Frames | None, index: int, size: Size) -> NDArray[np.uint8]:
    """One frame at a size (H, W), as bytes, right of the source's where there is one."""
    both = [each for each in (source, frames) if each is not None]
    return np.concatenate([to_bytes(resize(each[index][None], size)[0], index) for each in both], axis=1)


def _sizes(size: Size, multiple: int = 2) -> Iterator[Size]:
    """Sizes (H, W) to try, falling. Both sides are even, since few browsers play 4:4:4."""
    for side in (LONGEST_SIDE, LONGEST_SIDE // 2, LONGEST_SIDE // 4):
        yield fit_size(size, min(side, max(size)), multiple)
