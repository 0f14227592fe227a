"""Masks given by the user: a box, or what is white in a picture, a video or a folder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vedit.clip import probe, read_clip
from vedit.clip.images import PICTURES, read_picture
from vedit.clip.sizes import Size, resize
from vedit.clip.webp import is_animated
from vedit.config import ClipSettings, box_of
from vedit.errors import ConfigError, MediaError
from vedit.mapped import in_chunks, room_for

BLACK, WHITE = 0.1, 0.9
"""Codecs leave black a little grey and white too: below and above these they are what was meant."""


def box_mask(text: str, picture: Size, size: Size) -> Tensor:
    """A box ("box:X,Y,W,H", see ``config.box_of``) of pictures (H, W) as a mask (1, 1, *size), its edge antialiased.

    Raises ConfigError where it lies outside of the picture.
    """
    x, y, width, height = box_of(text)
    across, down = (1.0, 1.0) if max(x, y, width, height) <= 1 else (picture[1], picture[0])
    if x >= across or y >= down:
        raise ConfigError(f"--mask {text} lies outside of the picture, which is {picture[1]}x{picture[0]}; move it.")

    def covered(begin: float, length: float, whole: float, pixels: int) -> Tensor:
        """How much of each pixel lies between two places."""
        first, last = begin / whole * pixels, (begin + length) / whole * pixels
        at = torch.arange(pixels, dtype=torch.float32)
        return (torch.clamp(at + 1, max=last) - torch.clamp(at, min=first)).clamp(0, 1)

    return (covered(y, height, down, size[0])[:, None] * covered(x, width, across, size[1])[None])[None, None]


def check_mask(path: Path, whole: int, edited: int) -> None:
    """Whether a file may be the mask of a clip of ``whole`` frames, of which ``edited`` are; before any work.

    Raises MediaError for what is no picture or video, for a picture that is black throughout, and for another number of
    frames.
    """
    if not path.exists():
        raise MediaError(
            f"the mask {path} does not exist; expected auto, none, box:X,Y,W,H, word:WORD, or a picture, a video or a "
            "folder of pictures that is white where the edit may happen"
        )
    if _is_picture(path):
        if not _white(read_picture(path)[None]).any():
            raise _black(str(path))
    else:
        _fits(path, whole, edited)


def read_mask(path: Path, clip: ClipSettings, whole: int, edited: int, size: Size) -> Tensor:
    """A painted mask (F or 1, 1, *size) in [0, 1]: one picture for all frames; or, of a video or a folder of as many
    frames as the whole clip, those that ``clip`` takes of it; or one for each of the ``edited`` frames.

    Raises MediaError for what cannot be read, has another number of frames, or is black throughout.
    """
    check_mask(path, whole, edited)
    if _is_picture(path):
        frames = read_picture(path)[None]
    elif _fits(path, whole, edited) == whole:
        cut = {"frames": clip.frames, "start": clip.start, "stride": clip.stride}
        frames = read_clip(path, size=size, sound=False, allow_partial=clip.allow_partial, **cut).frames  # type: ignore[arg-type]
    else:
        frames = read_clip(path, size=size, sound=False).frames
    painted = room_for((len(frames), 1, *frames.shape[2:]))
    for chunk in in_chunks(len(frames), frames, painted):
        painted[chunk] = _white(frames[chunk])
    return fit_mask(painted, edited, size, str(path))


def fit_mask(mask: Tensor, edited: int, size: Size, name: str = "the mask") -> Tensor:
    """A mask (F or 1, 1, H, W) in [0, 1] at the working size. Raises ConfigError for any other tensor, and MediaError
    for one that is black throughout."""
    if mask.ndim != 4 or mask.shape[1] != 1 or len(mask) not in (1, edited) or not mask.is_floating_point():
        raise ConfigError(
            f"{name} is {mask.dtype} {tuple(mask.shape)}; expected floats of shape ({edited}, 1, H, W) or (1, 1, H, W)."
        )
    ends = [mask[chunk].aminmax() for chunk in in_chunks(len(mask), mask)]
    low, high = min(float(each.min) for each in ends), max(float(each.max) for each in ends)
    if not (low >= 0 and high <= 1):
        raise ConfigError(f"{name} reaches from {low:g} to {high:g}; expected 0 to 1.")
    if high == 0:
        raise _black(name)
    return resize(mask.float().cpu(), size)


def _white(frames: Tensor) -> Tensor:
    """How white each pixel (F, 1, H, W) of frames (F, 3, H, W) is, 0 to 1."""
    return ((frames.mean(1, keepdim=True) - BLACK) / (WHITE - BLACK)).clamp(0, 1)


def _black(name: str) -> MediaError:
    return MediaError(f"{name} is black throughout, so nothing may change; paint white where the edit may happen.")


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES and not path.is_dir() and not is_animated(path)


def _fits(path: Path, whole: int, edited: int) -> int:
    count = probe(path).frames
    if count not in (whole, edited):
        others = f"{whole}, those of the whole clip, or {edited}, those edited" if whole != edited else str(whole)
        raise MediaError(f"the mask {path} has {count} frames; expected {others}, or one picture for all.")
    return count
