"""A folder of clips, each with its caption in a .txt of its name, as any training may be given one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vedit.clip import Clip
from vedit.clip.reading import read_clip

VIDEOS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif", ".webp", ".m4v"}


def captioned_clips(folder: Path, frames: int, stride: int) -> Iterator[tuple[Clip, str]]:
    """The clips of a folder that have a caption and at least so many frames, by name; says which are too short.

    Args:
        stride: of each clip, take each stride-th frame

    Raises:
        SystemExit: where there is none
    """
    found = False
    for path in sorted(folder.iterdir()):
        caption = path.with_suffix(".txt")
        if path.suffix.lower() not in VIDEOS or not caption.is_file():
            continue
        clip = read_clip(path, stride=stride, sound=False)
        if len(clip) < frames:
            print(f"{path.name}: {len(clip)} frames, fewer than {frames}; left out", flush=True)
            continue
        found = True
        yield clip, caption.read_text(encoding="utf-8").strip()
    if not found:
        raise SystemExit(f"{folder}: no clip of {frames} frames with a caption; expected such as a.mp4 beside a.txt")
