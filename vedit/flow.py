"""Optical flow: how far each pixel moves from frame to frame, which are hidden, and the paths that they follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vedit.atomic import whole_file
from vedit.clip.sizes import Size
from vedit.errors import MediaError, PartError, WeightsError
from vedit.mapped import CHUNK, in_chunks, let_go, room_for

Method = Literal["dis", "raft"]
"""DIS: Kroeger et al. 2016, in OpenCV, without weights. RAFT: Teed & Deng 2020, through torchvision."""

CPU = torch.device("cpu")

FINE_BELOW = 256
"""Shorter side in pixels up to which DIS goes down to single pixels; larger frames end at half the resolution, which
costs a quarter."""

SMOOTHING = 15
"""Steps of DIS's variational refinement, where OpenCV's preset has 5: 4 % less error in small frames."""

DIS_SIDE, RAFT_SIDE = 16, 128
"""Shortest sides that the methods take: smaller frames are continued at their borders."""

TIE = 1e-3
"""Of a cell: above what rounding adds to a path of many frames, below what is estimated."""

_Pair = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Flow:
    """The motion of a clip of F frames of H x W pixels, both ways.

    forward: (F - 1, 2, H, W) how far (x, y), in pixels, what a pixel of frame i shows has moved in frame i + 1
    backward: (F - 1, 2, H, W) the same from frame i + 1 to frame i
    hidden: (F - 1, H, W) bool, which pixels of frame i are not to be seen in frame i + 1
    appeared: (F - 1, H, W) bool, which pixels of frame i + 1 were not to be seen in frame i
    """

    forward: Tensor
    backward: Tensor
    hidden: Tensor
    appeared: Tensor

    @classmethod
    def both_ways(cls, forward: Tensor, backward: Tensor) -> Flow:
        """From the two directions, (F - 1, 2, H, W) each; what is hidden is where they disagree."""
        hidden, appeared = (room_for((len(forward), *forward.shape[2:]), torch.bool) for _ in range(2))
        for pairs in in_chunks(len(forward), forward, backward, hidden, appeared):
            hidden[pairs] = disagreement(forward[pairs], backward[pairs])
            appeared[pairs] = disagreement(backward[pairs], forward[pairs])
        return cls(forward, backward, hidden, appeared)

    def __len__(self) -> int:
        """How many frames the clip has."""
        return len(self.forward) + 1

    def __repr__(self) -> str:
        height, width = self.size
        return f"Flow({len(self)} frames, {width}x{height})"

    def frames(self, first: int, last: int) -> Flow:
        """That of the frames from ``first`` to before ``last``."""
        pairs = slice(first, last - 1)
        return Flow(self.forward[pairs], self.backward[pairs], self.hidden[pairs], self.appeared[pairs])

    @property
    def size(self) -> Size:
        return int(self.forward.shape[2]), int(self.forward.shape[3])

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the four arrays, under their names here, as .npz. Raises MediaError where it cannot be written."""
        if path.suffix.lower() != ".npz":
            raise MediaError(f"{path}: flow is written as .npz.")
        with whole_file(path, overwrite) as beside:
            np.savez_compressed(
                beside,
                forward=self.forward.cpu().numpy(),
                backward=self.backward.cpu().numpy(),
                hidden=self.hidden.cpu().numpy(),
                appeared=self.appeared.cpu().numpy(),
            )


def estimate_flow(frames: Tensor, method: Method = "dis", device: torch.device = CPU) -> Flow:
    """The flow of frames (F, 3, H, W) in [0, 1], on the CPU, in float32; RAFT runs on ``device``.

    Each pair of frames is looked at alone, so a longer clip has the same flow in its first frames.
    Raises PartError for an unknown method, and for RAFT where torchvision cannot be imported; WeightsError where its
    weights cannot be had.
    """
    if method not in get_args(Method):
        raise PartError(f"'{method}' is no way to estimate flow; expected {' or '.join(get_args(Method))}.")
    height, width = (int(length) for length in frames.shape[2:])
    if len(frames) == 1:
        still = torch.zeros(0, 2, height, width)
        return Flow.both_ways(still, still)
    side = DIS_SIDE if method == "dis" else RAFT_SIDE

    def padded(index: int) -> Tensor:
        return _continued(frames[index, None].detach().float().cpu().clamp(0, 1), side)[0]

    before = padded(0)
    pair = _dis(min(before.shape[1:])) if method == "dis" else _raft(device)
    there, back = (room_for((len(frames) - 1, 2, height, width)) for _ in range(2))
    for pairs in in_chunks(len(there), frames, there, back):
        for index in range(pairs.start, pairs.stop):
            after = padded(index + 1)
            there[index] = pair(before, after)[:, :height, :width]
            back[index] = pair(after, before)[:, :height, :width]
            before = after
    return Flow.both_ways(there, back)


def _continued(frames: Tensor, side: int) -> Tensor:
    """With the last row and column repeated until both are multiples of 8 pixels, and at least ``side``."""
    down, across = (max(side, -(-length // 8) * 8) - length for length in frames.shape[2:])
    return F.pad(frames, (0, across, 0, down), mode="replicate")


def _dis(side: int) -> _Pair:
    import cv2

    found = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    found.setFinestScale(0 if side <= FINE_BELOW else 1)
    found.setVariationalRefinementIterations(SMOOTHING)

    def grey(frame: Tensor) -> NDArray[np.uint8]:
        pixels = frame.mul(255).round().byte().permute(1, 2, 0).contiguous().numpy()
        return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]  # the stubs know no numbers

    def pair(first: Tensor, second: Tensor) -> Tensor:
        flow = found.calc(grey(first), grey(second), None)  # type: ignore[call-overload]  # None: an array of its own
        return torch.from_numpy(flow).permute(2, 0, 1).contiguous()

    return pair


def _raft(device: torch.device) -> _Pair:
    try:
        models = import_module("torchvision.models.optical_flow")
    except (ImportError, RuntimeError) as error:  # torchvision beside a torch of another build fails as it registers
        raise PartError(
            "the flow method raft needs a torchvision that fits this torch: pip install 'vedit[annotators]'; "
            "or use the method dis, which needs none."
        ) from error
    try:
        network = models.raft_large(weights=models.Raft_Large_Weights.DEFAULT, progress=False)
    except OSError as error:
        raise WeightsError(f"RAFT's weights cannot be fetched: {error}; use the method dis, which has none.") from error
    network = network.eval().requires_grad_(False).to(device)

    def pair(first: Tensor, second: Tensor) -> Tensor:
        a, b = (frame[None].to(device) * 2 - 1 for frame in (first, second))
        return network(a, b)[-1][0].cpu()

    return pair


def disagreement(there: Tensor, back: Tensor) -> Tensor:
    """Where (K, H, W) the way ``there`` (K, 2, H, W) and the way ``back`` from where it leads do not cancel, or it
    leads out of the picture: what is hidden. Sundaram, Brox & Keutzer 2010, eq. 5.
    """
    if not len(there):
        return torch.zeros(0, *there.shape[2:], dtype=torch.bool)
    targets = _pixels(there) + there.permute(0, 2, 3, 1)
    returned = sample(back, targets)
    gap = (there + returned).square().sum(1)
    allowed = 0.01 * (there.square().sum(1) + returned.square().sum(1)) + 0.5
    return (gap > allowed) | ~within(targets, (there.shape[2], there.shape[3]))


def sample(values: Tensor, positions: Tensor) -> Tensor:
    """``values`` (K, C, H, W) at the ``positions`` (K, ..., 2), x and y in pixels: (K, C, ...), bilinear; what lies
    outside is as at the border."""
    height, width = values.shape[2:]
    scale = torch.tensor([2 / width, 2 / height], device=positions.device)
    grid = ((positions + 0.5) * scale - 1).reshape(len(positions), 1, -1, 2)
    found = F.grid_sample(values, grid, align_corners=False, padding_mode="border")
    return found.reshape(*found.shape[:2], *positions.shape[1:-1])


def _pixels(like: Tensor) -> Tensor:
    """The places (H, W, 2) of all pixels of (..., H, W)."""
    height, width = like.shape[-2:]
    return centres((height, width), (height, width)).to(like.device)


def centres(cells: Size, size: Size) -> Tensor:
    """Where the centres of a grid of ``cells`` (h, w) over a picture of ``size`` (H, W) lie: (h, w, 2), x and y in
    pixels."""
    y, x = ((torch.arange(n) + 0.5) * (full / n) - 0.5 for n, full in zip(cells, size, strict=True))
    return torch.stack([x.expand(cells), y[:, None].expand(cells)], dim=-1)


def within(positions: Tensor, size: Size) -> Tensor:
    """Which places (..., 2), in pixels, lie in a picture of ``size`` (H, W)."""
    x, y = positions.unbind(-1)
    return (x >= -0.5) & (x <= size[1] - 0.5) & (y >= -0.5) & (y <= size[0] - 0.5)


def follow(positions: Tensor, seen: Tensor, flow: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """One step along a flow (2, H, W): where ``positions`` (K, 2) in pixels lead, and which of them are still ``seen``
    (K,). What is not seen is carried on all the same.
    """
    height, width = hidden.shape
    column, row = (positions + 0.5).floor().long().unbind(-1)
    lost = hidden[row.clamp(0, height - 1), column.clamp(0, width - 1)]
    moved = positions + sample(flow[None], positions[None])[0].T
    return moved, seen & ~lost & within(moved, (height, width))


@dataclass(frozen=True, eq=False)
class Tracks:
    """Where each cell of each frame is in all frames of a clip: F frames, h x w cells.

    places: (F, F, h w, 2) for the cells of the first axis' frame, x and y in cells in the second axis' frame
    seen: (F, F, h w) bool, whether it is to be seen there; in its own frame it always is
    """

    positions: Tensor
    seen: Tensor


def nearest(positions: Tensor, cells: Size) -> Tensor:
    """The cells (...) of a grid (h, w), numbered along its rows, that lie nearest to ``positions`` (..., 2) in
    cells."""
    # Half-way between two cells all places must go the same way, or a uniform motion would tear its picture.
    column, row = (positions + (0.5 + TIE)).floor().long().unbind(-1)
    return row.clamp(0, cells[0] - 1) * cells[1] + column.clamp(0, cells[1] - 1)


def tracks(flow: Flow, cells: Size) -> Tracks:
    """Follow the centre of every cell of a grid (h, w) through the whole clip, by chaining the flow.

    A cell that was hidden once, or left the picture, stays lost: the flow does not say where it comes back.
    """
    frames, count = len(flow), cells[0] * cells[1]
    start = centres(cells, flow.size).reshape(count, 2)
    positions = start.repeat(frames, frames, 1, 1)
    seen = torch.ones(frames, frames, count, dtype=torch.bool)
    for now in range(frames - 1):  # all cells that started in this frame or before it, one frame on
        positions[: now + 1, now + 1], seen[: now + 1, now + 1] = _all(
            positions[: now + 1, now], seen[: now + 1, now], flow.forward[now], flow.hidden[now]
        )
    for now in reversed(range(1, frames)):  # and all that started in it or after it, one frame back
        positions[now:, now - 1], seen[now:, now - 1] = _all(
            positions[now:, now], seen[now:, now], flow.backward[now - 1], flow.appeared[now - 1]
        )
    scale = torch.tensor([cells[1] / flow.size[1], cells[0] / flow.size[0]])
    return Tracks((positions + 0.5) * scale - 0.5, seen)


def ways_to_ends(flow: Flow, cells: Size) -> tuple[Tensor, Tensor]:
    """Where each cell of each frame, of a grid (h, w), is in the clip's first frame and in its last: (2, F, h w, 2), x
    and y in cells, and whether it is to be seen there, (2, F, h w). The same as ``tracks`` has of them."""
    frames, count = len(flow), cells[0] * cells[1]
    positions = centres(cells, flow.size).reshape(count, 2).repeat(2, frames, 1, 1)
    seen = torch.ones(2, frames, count, dtype=torch.bool)
    for now in reversed(range(1, frames)):  # all cells of this frame and of those behind it, one frame back
        positions[0, now:], seen[0, now:] = _all(
            positions[0, now:], seen[0, now:], flow.backward[now - 1], flow.appeared[now - 1]
        )
    for now in range(frames - 1):
        positions[1, : now + 1], seen[1, : now + 1] = _all(
            positions[1, : now + 1], seen[1, : now + 1], flow.forward[now], flow.hidden[now]
        )
    scale = torch.tensor([cells[1] / flow.size[1], cells[0] / flow.size[0]])
    return (positions + 0.5) * scale - 0.5, seen


def first_seen(flow: Flow, cells: Size) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Where what each cell of a grid (h, w) shows is seen first, going back along the flow; as ``tracks`` has it, a few
    frames at a time: which these are, the frame in which that is (F', h w), and where in it (F', h w, 2), x and y in
    cells."""
    start = centres(cells, flow.size).reshape(-1, 2)
    scale = torch.tensor([cells[1] / flow.size[1], cells[0] / flow.size[0]])
    for cut in in_chunks(len(flow), flow.backward, flow.appeared):
        count = cut.stop - cut.start
        places, there = start.repeat(count, 1, 1), start.repeat(count, 1, 1)
        seen = torch.ones(count, len(start), dtype=torch.bool)
        first = torch.arange(cut.start, cut.stop)[:, None].repeat(1, len(start))
        for now in reversed(range(1, cut.stop)):  # all cells of this frame and of those behind it, one frame back
            rows = slice(max(0, now - cut.start), count)
            places[rows], seen[rows] = _all(places[rows], seen[rows], flow.backward[now - 1], flow.appeared[now - 1])
            first[rows][seen[rows]] = now - 1
            there[rows][seen[rows]] = places[rows][seen[rows]]
            if now <= cut.start and not seen.any():
                break
            if now % CHUNK == 0:
                let_go(flow.backward, flow.appeared)
        yield cut, first, (there + 0.5) * scale - 0.5


def _all(positions: Tensor, seen: Tensor, flow: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """``follow`` for places (Q, K, 2) and seen (Q, K)."""
    moved, still = follow(positions.flatten(0, 1), seen.flatten(), flow, hidden)
    return moved.view_as(positions), still.view_as(seen)


def resized_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """A flow (B, 2, H, W) in pixels of another ``size``."""
    if tuple(flow.shape[2:]) == size:
        return flow
    scale = flow.new_tensor([size[1] / flow.shape[3], size[0] / flow.shape[2]])[:, None, None]
    return scale * F.interpolate(flow, size=size, mode="bilinear", align_corners=False, antialias=True)
