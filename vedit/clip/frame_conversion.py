"""A decoded video frame to a tensor (3, H, W) in [0, 1]: colour matrix, alpha, bit depth and rotation applied."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from av.sidedata.sidedata import SideData, Type
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray
from torch import Tensor

EXACT = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
"""Conversion between RGB and YUV without the fast paths, which round coarsely and drop chroma."""

# FFmpeg's numbers of the YUV matrices (AVColorSpace) -> the scaler's.
_MATRICES = {
    1: Colorspace.ITU709, 4: Colorspace.FCC, 5: Colorspace.ITU601, 6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M, 9: Colorspace.BT2020, 10: Colorspace.BT2020,
}  # fmt: skip
_FULL_RANGE = 2


class FrameConverter:
    """Turns decoded frames into tensors; keeps the scaler's tables between frames.

    Untagged YUV is taken for BT.709 from 720 lines on and BT.601 below, as players do. More than 8 bits keep their
    depth. What is transparent lies on black. The display matrix (rotation by quarters, mirroring) is applied.
    """

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self._rotation: int | None = None
        self._matrix: bytes | None = None

    def __call__(self, frame: VideoFrame) -> Tensor:
        kind = frame.format
        alpha = kind.has_palette or any(c.is_alpha for c in kind.components)
        deep = any(c.bits > 8 for c in kind.components)
        name = ("rgba64le" if deep else "rgba") if alpha else ("rgb48le" if deep else "rgb24")
        if kind.is_rgb or kind.has_palette:
            turned = self._scaler.reformat(frame, format=name, interpolation=EXACT)
        else:
            full = frame.color_range == _FULL_RANGE or kind.name.startswith("yuvj")
            guess = Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601
            turned = self._scaler.reformat(
                frame,
                format=name,
                src_colorspace=_MATRICES.get(frame.colorspace, guess),
                src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG,
                interpolation=EXACT,
            )
        return as_frame(_upright(turned.to_ndarray(), self._display_matrix(frame)))

    def _display_matrix(self, frame: VideoFrame) -> bytes | None:
        """The display matrix of a frame, if it has one.

        PyAV's side data refers to its frame and the frame to it, so frames whose side data were looked at pile up until
        the garbage collector comes by. They are looked at once, and again only where the rotation changes.
        """
        if self._rotation != frame.rotation:
            self._rotation = frame.rotation
            found: list[SideData] = list(frame.side_data)  # type: ignore[arg-type]  # PyAV's stub says names
            self._matrix = next((bytes(data) for data in found if data.type == Type.DISPLAYMATRIX), None)
        return self._matrix


def as_frame(picture: NDArray[np.uint8] | NDArray[np.uint16]) -> Tensor:
    """Pixels (H, W, C) -> (C, H, W) float32 in [0, 1]; of four channels the last is how opaque they are, on black."""
    colours = picture[..., :3].transpose(2, 0, 1)
    most = np.iinfo(picture.dtype).max
    frame = np.divide(colours, np.float32(most), dtype=np.float32, order="C")
    if picture.shape[-1] == 4:
        frame *= np.divide(picture[..., 3], np.float32(most), dtype=np.float32)
    return torch.from_numpy(frame)


def _upright(picture: NDArray[Any], matrix: bytes | None) -> NDArray[Any]:
    if matrix is None:
        return picture
    # x' = a x + c y, y' = b x + d y, in 16.16 fixed point, rows of three: (a b u), (c d v), (x y w)
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(a) < abs(b):
        picture, across, down = picture.transpose(1, 0, 2), c, b
    else:
        across, down = a, d
    return picture[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]
