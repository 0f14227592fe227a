"""An edit of one frame, spread over its clip along the clip's own motion, without a model: crude, but where it is to
be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.flow import Flow, centres, sample, within
from vedit.mapped import stacked
from vedit.motion.layers import Layers, layers, nearest_of
from vedit.motion.warp import FILL_RADIUS, warped

CHANGED = 0.05
"""Of the range, by which a picture has to differ from the clip's own frame where it is edited: above what a JPEG
loses."""

COLOUR = 9
"""Pixels of a side over which what differs in colour but not in brightness has to do so on average: a clip's colours
have half its resolution, and whatever reads it blurs them between its pixels in its own way."""

LUMA = ((0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722))
"""Shares of red, green and blue in brightness, of clips in standard and in high definition (BT.601, BT.709)."""

SLIGHT = 0.01
"""Share of a change that is none."""

SAME = 0.08
"""Of the range, by which a picture may differ from the ground, and show it."""

TOUCHING = 3
"""Pixels between a thing and what a picture shows beside it that is new, and then a part of it."""

MOST_ADDED = 4.0
"""Times its area that may be added to a thing; what is larger is a new ground."""

PART_SEEN, AGREED = 0.1, 0.6
"""Share of a thing behind which the ground has to be known, and share of that which has to show it, for the thing to
have been taken away."""


@dataclass(frozen=True, eq=False)
class Spread:
    """A clip of F frames of H x W pixels with the edits of some of its frames spread over the others.

    Attributes:
        frames: (F, 3, H, W) in [0, 1]; what no picture shows is filled in from around
        changed: (F, H, W) bool, what is not the clip's own
        known: (F, H, W) bool, whether a picture shows it, or it is the clip's own
        pictures: (F,) int64, which of the edited frames is nearest to each
        origins: (F, H, W, 2) where, x and y in pixels, that shows what each pixel does
        seen: (F, H, W) bool, whether it does
    """

    frames: Tensor
    changed: Tensor
    known: Tensor
    pictures: Tensor
    origins: Tensor
    seen: Tensor

    def __len__(self) -> int:
        """How many frames there are."""
        return len(self.frames)

    def __repr__(self) -> str:
        height, width = self.frames.shape[2:]
        return f"Spread({len(self)} frames, {width}x{height}, {float(self.changed.float().mean()):.0%} changed)"


def spread(frames: Tensor, flow: Flow, pictures: Sequence[Tensor], at: Sequence[int]) -> Spread:
    """Spread edited frames over their clip.

    What a picture changes of a thing goes where the clip has that thing, what it changes of the ground stays on the
    ground, what it adds to a thing goes with it, and where it takes a thing away the ground is put. Between two
    pictures one fades into the other.

    Args:
        frames: of the clip (F, 3, H, W) in [0, 1]
        flow: of the clip
        pictures: (3, H, W) in [0, 1] each
        at: which frame each is the edit of, in their order

    Source: the transfer of a first frame along a clip's displacements in Motion-I2V, Shi et al. 2024, section 3.3; here
    of pixels, with what moves by itself told from the ground.
    """
    carried = [_carried(frames, flow, picture, key) for picture, key in zip(pictures, at, strict=True)]
    keys, index = torch.tensor(list(at)), torch.arange(len(frames))
    shown, changed, known = stacked((_between(frames, carried, at, frame) for frame in range(len(frames))), len(frames))
    nearest = (index[:, None] - keys).abs().argmin(1)
    there = [carried[which] for which in nearest.tolist()]
    origins, seen = stacked(((each.origins[frame], each.seen[frame]) for frame, each in enumerate(there)), len(frames))
    return Spread(shown, changed, known, nearest, origins, seen)


@dataclass(frozen=True, eq=False)
class _Carried:
    """One picture, carried to all frames: as of ``Spread``."""

    frames: Tensor
    changed: Tensor
    known: Tensor
    origins: Tensor
    seen: Tensor


def _between(frames: Tensor, carried: Sequence[_Carried], at: Sequence[int], frame: int) -> tuple[Tensor, ...]:
    """A frame (3, H, W), what of it is changed and what is known (H, W each), of the pictures before and after it: one
    fades into the other, and shows alone what the other does not."""
    after = next((number for number, key in enumerate(at) if key >= frame), len(at) - 1)
    before = after if at[after] <= frame or after == 0 else after - 1
    one, other = carried[before], carried[after]
    gap = at[after] - at[before]
    share = (frame - at[before]) / gap if gap else 0.0
    seen = torch.stack([one.known[frame], other.known[frame]]).float()
    weights = seen * torch.tensor([1 - share, share])[:, None, None]
    weights = torch.where(weights.sum(0) > 0, weights, torch.where(seen.sum(0) > 0, seen, 0.5))
    mixed = (one.frames[frame] * weights[0] + other.frames[frame] * weights[1]) / weights.sum(0)
    changed, known = one.changed[frame] | other.changed[frame], seen.sum(0) > 0
    return torch.where(known, mixed, _filled(mixed, known)).clamp(0, 1), changed, known


def _filled(frame: Tensor, known: Tensor) -> Tensor:
    """A frame (3, H, W) with what is not ``known`` (H, W) filled in from around.

    Source: Telea 2004, in OpenCV.
    """
    if known.all() or not known.any():
        return frame
    pixels = frame.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).contiguous().numpy()
    filled = cv2.inpaint(pixels, (~known).byte().numpy(), FILL_RADIUS, cv2.INPAINT_TELEA)
    return torch.from_numpy(filled).permute(2, 0, 1).float() / 255


@dataclass(frozen=True, eq=False)
class _Edit:
    """What a picture changes of its frame.

    Attributes:
        picture: (3, H, W)
        shares: (2, H, W) how far each pixel is changed, 0 to 1: if it is of the ground, and if it is of a thing, whose
            edge changes with it
        parts: (H, W) which thing the picture shows there; 0 is the ground
        taken: (H, W) bool, where a thing was and the picture shows the ground
        ground: (H, W) bool, whether the ground is another there, or would be, behind things
        behind, behind_known: (3, H, W) and (H, W), the clip's ground where things are, and where that is known
    """

    picture: Tensor
    shares: Tensor
    parts: Tensor
    taken: Tensor
    ground: Tensor
    behind: Tensor
    behind_known: Tensor


def _carried(frames: Tensor, flow: Flow, picture: Tensor, key: int) -> _Carried:
    differs = _differs(picture, frames[key])
    told = layers(frames, flow, key, differs)
    edit = _edit(frames, told, picture, differs)
    found = (_carried_to(frames[index], told, edit, index) for index in range(len(frames)))
    return _Carried(*stacked(found, len(frames)))


def _carried_to(own: Tensor, told: Layers, edit: _Edit, frame: int) -> tuple[Tensor, ...]:
    """A frame of the clip (3, H, W) with a picture's edit: as of ``Spread``, for one frame."""
    size = _size(own)
    whose, origins, seen = (each[frame].clone() for each in (told.whose, told.origins, told.seen))
    for thing in range(1, told.ways.shape[1]):  # what is added to a thing lies before the ground
        rigid = told.back(frame, thing)
        added = (nearest_of(edit.parts, rigid) == thing) & (nearest_of(told.things, rigid) == 0)
        added &= within(rigid, size) & (whose == 0)
        whose[added], origins[added], seen[added] = thing, rigid[added], True
    shares = sample(edit.shares[None], origins[None])[0]
    share = torch.where(whose > 0, shares[1], shares[0])
    shown = warped(edit.picture, (origins - centres(size, size)).permute(2, 0, 1)[None])[0]
    made = torch.lerp(own, shown, share)
    # Where the picture has no ground to show: a thing is taken away, lies before it there, or was before it.
    taken = (whose > 0) & nearest_of(edit.taken, origins)
    hidden = (whose == 0) & (~seen | (nearest_of(edit.parts, origins) > 0))
    ground, ground_known, ground_changed = _ground(told, edit, frame)
    another = taken | (hidden & ground_changed)
    made = torch.where(another, ground, torch.where(hidden, own, made))
    changed = another | (~hidden & (share > SLIGHT))
    return made, changed, torch.where(another, ground_known, True), origins, seen & ~another & ~hidden


def _ground(told: Layers, edit: _Edit, frame: int) -> tuple[Tensor, Tensor, Tensor]:
    """The ground that a picture shows (3, H, W) as it lies in a frame, where it is known and where it is not the clip's
    own (H, W each)."""
    size = _size(edit.picture)
    places = told.back(frame, 0)
    shown = within(places, size) & (nearest_of(edit.parts, places) == 0)
    changed = nearest_of(edit.ground, places)
    behind = within(places, size) & nearest_of(edit.behind_known, places) & ~changed
    pixels = torch.where((edit.parts == 0) | ~edit.behind_known, edit.picture, edit.behind)
    return sample(pixels[None], places[None])[0], shown | behind, changed


def _differs(picture: Tensor, own: Tensor) -> Tensor:
    """Where (H, W) a picture differs from the clip's own frame, both (3, H, W); not in single pixels, nor only in how
    colours are blurred."""
    gap = picture - own
    most = gap.abs().amax(0)
    around = F.avg_pool2d(most[None], 3, stride=1, padding=1)[0]
    brightness = torch.einsum("kc,chw->khw", torch.tensor(LUMA), gap).abs().amin(0)
    colour = F.avg_pool2d(gap[None], COLOUR, stride=1, padding=COLOUR // 2, count_include_pad=False)[0].abs().amax(0)
    return (most > CHANGED) & (around > CHANGED / 2) & ((brightness > CHANGED) | (colour > CHANGED))


def _edit(frames: Tensor, told: Layers, picture: Tensor, differs: Tensor) -> _Edit:
    """What a picture changes of its frame of a clip (F, 3, H, W)."""
    things = told.things
    behind, known = _behind(frames, told)
    taken = _taken(picture, differs, things, behind, known)
    added = _added(differs, things)
    parts = torch.where(taken, 0, things + added)
    ground = _nearest(differs & (things + added == 0), things + added == 0)
    shares = torch.stack([differs.float(), F.max_pool2d(differs.float()[None], 3, stride=1, padding=1)[0]])
    return _Edit(picture, shares, parts, taken, ground, behind, known)


def _behind(frames: Tensor, told: Layers) -> tuple[Tensor, Tensor]:
    """The ground behind things (3, H, W), by the mean of the frames that show it, and where any does (H, W)."""
    size, total, count = _size(frames), torch.zeros_like(frames[0]), torch.zeros(_size(frames))
    pixels = centres(size, size)
    for index, frame in enumerate(frames):
        affine = told.ways[index, 0]
        there = pixels @ affine[:, :2].T + affine[:, 2]
        covered = F.max_pool2d((told.whose[index] > 0).float()[None], 5, stride=1, padding=2)[0]
        free = within(there, size) & (nearest_of(covered, there) == 0) & (told.things > 0)
        total += sample(frame[None], there[None])[0] * free
        count += free
    return total / count.clamp(min=1), count > 0


def _taken(picture: Tensor, differs: Tensor, things: Tensor, behind: Tensor, known: Tensor) -> Tensor:
    """Where (H, W) a thing was and a picture shows the ground, as far as that is known from the other frames."""
    ground = (F.avg_pool2d((picture - behind).abs().amax(0)[None], 3, stride=1, padding=1)[0] < SAME) & known
    taken = torch.zeros_like(differs)
    for thing in range(1, int(things.max()) + 1):
        own = differs & (things == thing)
        told, agreed = int((own & known).sum()), int((own & ground).sum())
        if told and told >= PART_SEEN * int(own.sum()) and agreed >= AGREED * told:
            taken |= own
        else:
            taken |= torch.from_numpy(ndimage.binary_opening((own & ground).numpy(), iterations=1))
    return taken


def _added(differs: Tensor, things: Tensor) -> Tensor:
    """Which thing (H, W) has what a picture shows beside it that is new; 0 for none."""
    added = torch.zeros_like(things)
    if not things.any():
        return added
    numbers, count = ndimage.label((differs & (things == 0)).numpy())
    if not count:
        return added
    every = range(1, count + 1)
    distance, where = ndimage.distance_transform_edt((things == 0).numpy(), return_indices=True)
    ground = float((things == 0).sum())
    areas = ndimage.sum_labels(numbers > 0, numbers, every)
    nearest = ndimage.minimum_position(distance, numbers, every)
    for number, area, (row, column) in zip(every, areas, nearest, strict=True):
        thing = int(things[where[0][row, column], where[1][row, column]])
        small = area <= min(MOST_ADDED * float((things == thing).sum()), ground / 2)
        if small and distance[row, column] <= TOUCHING:
            added[torch.from_numpy(numbers == number)] = thing
    return added


def _nearest(values: Tensor, where: Tensor) -> Tensor:
    """Values (H, W), and elsewhere than ``where`` those of the nearest pixel there; False where there is none."""
    if not where.any():
        return torch.zeros_like(values)
    rows, columns = ndimage.distance_transform_edt((~where).numpy(), return_distances=False, return_indices=True)
    return values[torch.from_numpy(rows).long(), torch.from_numpy(columns).long()]


def _size(frames: Tensor) -> Size:
    return int(frames.shape[-2]), int(frames.shape[-1])
