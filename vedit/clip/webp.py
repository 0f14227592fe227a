"""Animated WebPs, which FFmpeg writes but does not read: by Pillow, their times by the file's own table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vedit.clip.sizes import MAX_PIXELS, Size
from vedit.errors import MediaError

LARGEST = 2**27
"""Bytes of a file that is read."""

MOST_FRAMES = 100_000

UNSAID = 100
"""Milliseconds for which browsers show a frame that says 0."""

_ANIMATED = 0x02


@dataclass(frozen=True)
class Animation:
    """size: (H, W); durations: of each frame, in milliseconds; complaint: what is amiss with the file, or None."""

    size: Size
    durations: tuple[int, ...]
    complaint: str | None


def is_animated(path: Path) -> bool:
    """Whether a file begins as an animated WebP. Raises MediaError where it cannot be opened."""
    if path.suffix.lower() != ".webp":
        return False
    try:
        with path.open("rb") as file:
            return _flags(file.read(21)) & _ANIMATED != 0
    except OSError as fault:
        raise MediaError(f"{path} cannot be opened: {fault.strerror}") from fault


def _flags(head: bytes) -> int:
    return head[20] if len(head) == 21 and head[:4] + head[8:16] == b"RIFFWEBPVP8X" else 0


def look(path: Path) -> Animation:
    """The frames of an animated WebP as its table tells them, before any is decoded. Raises MediaError.

    Source: Google, WebP Container Specification.
    """
    if path.stat().st_size > LARGEST:
        raise MediaError(f"{path} has more than {LARGEST:,} bytes; a WebP of that size is not read, use a video")
    durations: list[int] = []
    with path.open("rb") as file:
        head = file.read(30)
        if len(head) < 30 or not _flags(head[:21]) & _ANIMATED:
            raise MediaError(f"{path} is no animated WebP; expected a video file or a folder of pictures")
        width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
        if width * height > MAX_PIXELS:
            raise MediaError(f"{path}: pictures of {width}x{height} are too large to decode safely")
        end, at = 8 + int.from_bytes(head[4:8], "little"), 20 + int.from_bytes(head[16:20], "little")
        while at + 8 <= end:
            name, length, begin = _chunk(file, at)
            at += 8 + length + length % 2
            if len(name) == 4 and not name.strip().isalnum():
                return Animation((height, width), tuple(durations), f"{path} is damaged after {len(durations)} frames")
            if len(name) < 4 or at > path.stat().st_size + length % 2:
                return Animation((height, width), tuple(durations), f"{path} is cut short")
            if name == b"ANMF":
                durations.append(int.from_bytes(begin[12:15], "little") or UNSAID)
            if len(durations) > MOST_FRAMES:
                raise MediaError(f"{path} has more than {MOST_FRAMES:,} frames; cut out the part you need")
    return Animation((height, width), tuple(durations), None)


def _chunk(file: BinaryIO, at: int) -> tuple[bytes, int, bytes]:
    """The name of a chunk, its length, and what it begins with."""
    file.seek(at)
    head = file.read(24)
    return head[:4], int.from_bytes(head[4:8], "little"), head[8:]


def pictures(path: Path, indices: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The frames with these numbers, ascending, each with its number, as (H, W, 3 or 4); up to one that is damaged."""
    wanted = set(indices)
    try:
        with Image.open(path, formats=["WEBP"]) as image:
            for index in range(max(wanted) + 1):
                image.seek(index)
                image.load()  # each in turn: a frame is made of those before
                if index in wanted:
                    yield index, np.array(image.convert("RGBA" if "A" in image.mode else "RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return  # what is missing is counted
