"""Clips from and to what others keep pictures in: NumPy arrays and Pillow images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.errors import MediaError
from vedit.mapped import in_chunks

SLACK = 1e-3
"""By which frames may miss [0, 1], as rounding makes them."""


def check_frames(frames: Any) -> None:
    """Whether these are the frames of a clip: a tensor of floats (F, 3, H, W) in [0, 1].

    Raises TypeError for what is no tensor, and ValueError for another shape, number format or range.
    """
    if not isinstance(frames, Tensor):
        other = {np.ndarray: "Clip.from_numpy takes arrays", list: "Clip.from_images takes lists of pictures"}
        hint = next((f"; {said}" for kind, said in other.items() if isinstance(frames, kind)), "")
        raise TypeError(f"a clip's frames are a tensor (F, 3, H, W), not {kind_of(frames)}{hint}")
    shape = tuple(frames.shape)
    if len(shape) != 4 or shape[1] != 3 or 0 in shape or not frames.is_floating_point():
        raise ValueError(f"a clip's frames are floats (F, 3, H, W), not {frames.dtype} {shape}")
    ends = [torch.aminmax(frames[each].detach()) for each in in_chunks(len(frames), frames)]
    low, high = torch.stack([each.min for each in ends]).min(), torch.stack([each.max for each in ends]).max()
    check_range(float(low), float(high), "a clip's frames")


def check_range(low: float, high: float, what: str) -> None:
    """Raise ValueError unless numbers from ``low`` to ``high`` lie in [0, 1]."""
    if low != low or high != high:
        raise ValueError(f"{what} lie in [0, 1]; some of these are not numbers (NaN)")
    if low >= -SLACK and high <= 1 + SLACK:
        return
    hint = ""
    if low >= 0 and 2 < high <= 255:
        hint = ": divide them by 255"
    elif low >= -1 - SLACK and high <= 1 + SLACK:
        hint = ": of [-1, 1], take (frames + 1) / 2"
    raise ValueError(f"{what} lie in [0, 1]; these reach from {low:g} to {high:g}{hint}")


def as_bytes(frames: Tensor) -> Iterator[NDArray[np.uint8]]:
    """Each frame of (F, 3, H, W) in [0, 1] as (H, W, 3) bytes."""
    return (to_bytes(frame, index) for index, frame in enumerate(frames))


def to_bytes(frame: Tensor, index: int = 0) -> NDArray[np.uint8]:
    """A frame (3, H, W) in [0, 1] as bytes (H, W, 3). Raises MediaError where it holds what is no number."""
    if not bool(torch.isfinite(frame).all()):
        raise MediaError(f"frame {index} holds values that are not numbers, so it cannot be written")
    pixels = (frame.detach().to("cpu", torch.float32).clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())


class Frames(Protocol):
    """Frames (3, H, W) by number: a tensor (F, 3, H, W), or what makes each when it is asked for (``LazyClip``)."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Tensor: ...


@dataclass(frozen=True)
class Pictures:
    """Pictures to be written, made one at a time: ``count`` of ``size`` (H, W), by number as bytes (H, W, 3)."""

    count: int
    size: Size
    picture: Callable[[int], NDArray[np.uint8]]

    @classmethod
    def of(cls, frames: Frames) -> Pictures:
        """Frames (F, 3, H, W) in [0, 1]."""
        return cls(len(frames), (frames.shape[2], frames.shape[3]), lambda index: to_bytes(frames[index], index))

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return map(self.picture, range(self.count))


def from_array(array: Any) -> Tensor:
    """Frames (F, 3, H, W) float32 of an array (F, H, W, 3): uint8, or floats in [0, 1]. The tensor is a copy.

    Raises TypeError for what is no array, and ValueError for another shape, number format or range.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected a numpy array (F, H, W, 3), not {kind_of(array)}")
    if array.ndim != 4 or array.shape[3] != 3 or 0 in array.shape:
        raise ValueError(f"expected an array (F, H, W, 3) of one frame or more, not {array.shape}")
    if array.dtype == np.uint8:
        pixels = array.astype(np.float32) / np.float32(255)
    elif array.dtype.kind == "f":
        check_range(float(array.min()), float(array.max()), "floats")
        pixels = array.astype(np.float32)
    else:
        raise ValueError(f"expected an array of uint8, or of floats in [0, 1], not {array.dtype}")
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def from_images(images: Sequence[Image.Image]) -> Tensor:
    """Frames (F, 3, H, W) float32 of Pillow images of one size. Raises TypeError and ValueError."""
    from vedit.clip.images import frame_of  # which needs PyAV; looking at frames does not

    pictures = list(images)
    strange = [each for each in pictures if not isinstance(each, Image.Image)]
    if strange:
        raise TypeError(f"expected Pillow images, not {kind_of(strange[0])}")
    frames = [frame_of(each) for each in pictures]
    sizes = {(each.shape[2], each.shape[1]) for each in frames}
    if len(sizes) != 1:
        found = ", ".join(f"{width}x{height}" for width, height in sorted(sizes))
        raise ValueError(f"expected images of one size, not {found}" if found else "expected one image or more")
    return torch.stack(frames)


def check_kind(name: str, value: Any, kind: type, expected: str) -> None:
    """Raise TypeError for an argument that is not of its ``kind``."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} is {expected}, not {kind_of(value)}")


def kind_of(value: Any) -> str:
    """What something is, for a message: "a str", "a numpy.ndarray", "None"."""
    if value is None:
        return "None"
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__.split('.')[0]}.{kind.__name__}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
