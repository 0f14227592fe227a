"""A clip as a notebook shows it: HTML with a small video in it."""

from __future__ import annotations

import html
import io
from base64 import b64encode
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from torch import Tensor

from vedit.clip.arrays import as_bytes
from vedit.clip.sizes import Size, fit_size, resize
from vedit.clip.sound import Audio
from vedit.clip.writing import write_clip

LONGEST_SIDE = 512
"""Pixels of a preview: larger pictures are scaled down, smaller ones are shown as they are."""

MOST_FRAMES = 240
"""Of a preview: of a longer clip, its beginning."""

MOST_BYTES = 4_000_000
"""Of a preview's file: what comes out larger is tried smaller, since a notebook keeps all that it shows."""


def preview(frames: Tensor, rate: Fraction, audio: Audio | None, caption: str) -> str:
    """HTML that plays frames (F, 3, H, W), or shows one; bounded in size, whatever the clip."""
    shown = frames[:MOST_FRAMES]
    note = "" if len(shown) == len(frames) else f"; the first {len(shown)} frames"
    if len(shown) == 1:
        kind, content = "png", _picture(shown)
    else:
        kind, content = "mp4", _video(shown, rate, audio)
        if len(content) > MOST_BYTES:
            kind, content, note = "png", _picture(shown[:1]), "; the first frame"
    data = b64encode(content).decode("ascii")
    tag = (
        f'<img alt="" src="data:image/png;base64,{data}">'
        if kind == "png"
        else f'<video controls loop playsinline src="data:video/mp4;base64,{data}"></video>'
    )
    return f"<figure>{tag}<figcaption>{html.escape(caption + note)}</figcaption></figure>"


def _video(frames: Tensor, rate: Fraction, audio: Audio | None) -> bytes:
    """An mp4 that browsers play, the largest of some sizes that is small enough, else the smallest."""
    with TemporaryDirectory() as folder:
        path, content = Path(folder, "preview.mp4"), b""
        for size in _sizes((frames.shape[2], frames.shape[3])):
            write_clip(path, resize(frames, size), rate, audio, None, crf=23, codec="libx264", overwrite=True)
            content = path.read_bytes()
            if len(content) <= MOST_BYTES:
                break
        return content


def _picture(frame: Tensor) -> bytes:
    """A frame (1, 3, H, W) as a PNG."""
    content = io.BytesIO()
    small = resize(frame, next(_sizes((frame.shape[2], frame.shape[3]), multiple=1)))
    Image.fromarray(next(as_bytes(small))).save(content, "PNG")
    return content.getvalue()


def _sizes(size: Size, multiple: int = 2) -> Iterator[Size]:
    """Sizes (H, W) to try, falling. Both sides are even, since few browsers play 4:4:4."""
    for side in (LONGEST_SIDE, LONGEST_SIDE // 2, LONGEST_SIDE // 4):
        yield fit_size(size, min(side, max(size)), multiple)
