"""Arrays of numbers: MotionCtrl's flow, Wan-Move's tracks and ATI's. Nothing that is pickled is opened."""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vedit.clip.sizes import Size
from vedit.errors import ConfigError
from vedit.files import check_plain
from vedit.motion.strokes.importing.imported import Imported, Layout, chosen, unlike, way
from vedit.motion.strokes.schema import MOST_STROKES

LARGEST_FILE = 256 * 2**20
"""Bytes of a file of arrays."""

LARGEST_ARRAY = 2**28
"""Numbers of an array."""

QUANTISED = 8
"""ATI's coordinates are whole eighths of a pixel."""


def load(path: Path, tool: str) -> NDArray[Any]:
    """The array of a .npy file, which has numbers only. Raises ConfigError."""
    check_plain(path, LARGEST_FILE, ConfigError)
    with path.open("rb") as file:
        return _array(file, path, tool)


def _array(file: Any, path: Path, tool: str) -> NDArray[Any]:
    try:
        array = np.lib.format.read_array(file, allow_pickle=False, max_header_size=10_000)
    except (ValueError, EOFError, MemoryError, SyntaxError, OverflowError, RecursionError, TypeError) as error:
        pickled = "allow_pickle" in str(error)
        what = "it holds a pickle, which is not opened" if pickled else "it is no array of numpy's"
        raise unlike(path, tool, what) from error
    if array.dtype.kind not in "fiub" or array.size > LARGEST_ARRAY:
        raise unlike(path, tool, f"it holds {array.dtype} of shape {array.shape}; expected numbers")
    return array


def is_flow(path: Path) -> bool:
    """Whether an array is a flow of MotionCtrl's, (frames, height, width, 2). Raises ConfigError."""
    shape = load(path, "MotionCtrl").shape
    return len(shape) == 4 and shape[-1] == 2 and shape[1] == shape[2] and shape[0] > 1


def motionctrl(path: Path, canvas: Size | None = None) -> Imported:
    """MotionCtrl's flow (frames, 256, 256, 2), often blurred: its one stroke, found where each frame's flow is longest.

    ``flow[i + 1]`` at a point of frame i is how far it goes from there; blurring keeps the sum.
    """
    flow = load(path, "MotionCtrl").astype(np.float64)
    if flow.ndim != 4 or flow.shape[-1] != 2 or len(flow) < 2:
        raise unlike(path, "MotionCtrl", f"its shape is {flow.shape}; expected (16, 256, 256, 2)")
    if not np.isfinite(flow).all():
        raise unlike(path, "MotionCtrl", "its flow is not a number everywhere")
    lengths = np.linalg.norm(flow, axis=-1)
    moves = [frame for frame in range(1, len(flow)) if lengths[frame].max() > 0]
    if not moves:
        raise unlike(path, "MotionCtrl", "nothing moves in it")
    points = np.zeros((len(flow), 2))
    for frame in moves:
        down, across = np.unravel_index(int(lengths[frame].argmax()), lengths[frame].shape)
        points[frame - 1] = across, down
        points[frame:] = points[frame - 1] + flow[frame].sum((0, 1))  # where it rests until it moves again
    points[: moves[0]] = points[moves[0] - 1]
    layout = Layout("MotionCtrl", canvas or (flow.shape[1], flow.shape[2]), len(flow))
    more = ", one stroke where the flow is longest"
    return layout.strokes(path, [{"points": way(points, path, "MotionCtrl")}], more)


def wan_move(path: Path, canvas: Size | None = None) -> Imported:
    """Wan-Move's tracks (1, frames, N, 2) in pixels, and beside them which are seen (1, frames, N) bool.

    ``path``: the tracks, or the folder of both.
    """
    tool = "Wan-Move"
    if path.is_dir():
        found = [each for each in sorted(path.glob("*.npy")) if load(each, tool).ndim >= 3 and _pairs(load(each, tool))]
        if len(found) != 1:
            raise unlike(path, tool, f"{len(found)} of its .npy files are tracks (1, frames, N, 2); expected one")
        path = found[0]
    tracks = load(path, tool)
    if not (tracks.ndim == 4 and len(tracks) == 1 and _pairs(tracks) and tracks.shape[1] > 1 and tracks.shape[2]):
        raise unlike(path, tool, f"its shape is {tracks.shape}; expected tracks (1, frames, N, 2)")
    tracks = tracks[0].astype(np.float64)
    seen, beside = _visibility(path, tracks.shape[:2])
    layout = Layout(tool, canvas or (480, 832), len(tracks), 16)
    more = f", {beside or 'all points seen'}"
    return _tracks(path, layout, tracks, seen, more)


def _pairs(array: NDArray[Any]) -> bool:
    return array.shape[-1] == 2 and array.dtype.kind in "fi"


def _visibility(path: Path, shape: tuple[int, ...]) -> tuple[NDArray[np.bool_], str]:
    """Which points are seen (frames, N), and in which file beside the tracks that stands."""
    for other in sorted(path.parent.glob("*.npy")):
        if other != path and "vis" in other.stem.lower():
            array = load(other, "Wan-Move")
            if array.shape == (1, *shape):
                return array[0].astype(bool), f"{other.name} says what is seen"
    return np.ones(shape, bool), ""


def ati(path: Path, canvas: Size | None = None) -> Imported:
    """ATI's tracks: the bytes of an .npz, saved by PyTorch, whose "array" (N, 121, 1, 3) is x, y and whether seen."""
    tool = "ATI"
    check_plain(path, LARGEST_FILE, ConfigError)
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, AttributeError, TypeError) as error:
        raise unlike(path, tool, "it cannot be opened without running code, or is damaged") from error
    if isinstance(held, torch.Tensor) and held.dtype == torch.uint8 and held.layout == torch.strided:
        if held.nbytes > path.stat().st_size:
            raise unlike(path, tool, "it holds a tensor that is not stored whole")
        held = held.numpy().tobytes()
    if not isinstance(held, (bytes, bytearray)):
        raise unlike(path, tool, f"it holds a {type(held).__name__}; expected the bytes of an .npz")
    try:
        with zipfile.ZipFile(io.BytesIO(held)) as archive:
            if archive.getinfo("array.npy").file_size > LARGEST_FILE:
                raise unlike(path, tool, "its array is too large")
            with archive.open("array.npy") as file:
                array = _array(io.BytesIO(file.read()), path, tool)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, RuntimeError) as error:
        raise unlike(path, tool, "it holds no .npz with an 'array'") from error
    if array.ndim != 4 or array.shape[2:] != (1, 3) or array.shape[1] < 2 or not len(array):
        raise unlike(path, tool, f"its array has the shape {array.shape}; expected (N, 121, 1, 3)")
    points = array[:, :, 0].astype(np.float64).transpose(1, 0, 2) / QUANTISED
    layout = Layout(tool, canvas or (480, 832), array.shape[1], 24)
    return _tracks(path, layout, points[..., :2], points[..., 2] > 0, f", coordinates in {QUANTISED}ths of a pixel")


def _tracks(path: Path, layout: Layout, tracks: NDArray[Any], seen: NDArray[np.bool_], more: str) -> Imported:
    """Tracks (frames, N, 2) as a stroke each. Those that never move stay, as anchors do."""
    count = tracks.shape[1]
    ways = []
    for index in chosen(count):
        each: dict[str, Any] = {"points": way(tracks[:, index], path, layout.tool)}
        if not seen[:, index].all():
            each["visible"] = [bool(now) for now in seen[:, index]]
        ways.append(each)
    if count > MOST_STROKES:
        more += f", {MOST_STROKES} of its {count:,} tracks"
    return layout.strokes(path, ways, more)
