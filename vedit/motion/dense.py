"""Dense flow from strokes, without training: where a picture's pixels go, and where those of a clip come from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.flow import Flow, centres, sample
from vedit.motion.fields import Field, edge_points, moving_least_squares, thin_plate
from vedit.motion.grid import CELLS, resized
from vedit.motion.inverse import FOLDED, HELD, determinant, find_sources, gradients, with_camera
from vedit.motion.learnt.completion import FlowCompletion
from vedit.motion.learnt.field import held_whole
from vedit.motion.strokes.drawn import Drawn
from vedit.motion.support import FADING, cut_at_edges, geodesic_distances, hold
from vedit.motion.sway import sway

MOST_NUMBERS = 2**24
"""Of strokes times cells; where there are more strokes, the cells are larger."""

FAINT = 1e-8
"""Weight of a stroke where it does not reach, so that there is a field everywhere."""

NEAR = 1.0
"""Squared cells, within which a point of a stroke does not count more for being nearer."""

ARM = 8.0
"""Pixels from a stroke's point to those around it that say how its thing turns and grows."""


@dataclass(frozen=True, eq=False)
class DenseFlow:
    """Where a picture of H x W pixels goes in F frames, the first of which is the picture.

    Attributes:
        forward: (F, 2, H, W) how far (x, y), in pixels, each pixel of the picture has moved in each frame
        backward: (F, 2, H, W) from each pixel of each frame, how far away what it shows lies in the picture
        visible: (F, H, W) bool, whether what it shows is to be seen in the picture
        drawn: (F, H, W) bool, whether a stroke or an anchor holds it, and it is visible
        held: (H, W) how firmly strokes and anchors hold each pixel of the picture, 0 to 1
        notes: what is amiss, a line each
    """

    forward: Tensor
    backward: Tensor
    visible: Tensor
    drawn: Tensor
    held: Tensor
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """How many frames there are."""
        return len(self.forward)

    def __repr__(self) -> str:
        return f"DenseFlow({len(self)} frames, {self.size[1]}x{self.size[0]})"

    @property
    def size(self) -> Size:
        return int(self.forward.shape[2]), int(self.forward.shape[3])

    def between_frames(self) -> Flow:
        """The flow from frame to frame, for what follows a clip's: by way of the picture."""
        pixels = centres(self.size, self.size)
        back = self.backward.permute(0, 2, 3, 1)  # (F, H, W, 2)
        origin = pixels + back
        ahead = sample(self.forward[1:], origin[:-1]) + (back[:-1].permute(0, 3, 1, 2))
        behind = sample(self.forward[:-1], origin[1:]) + (back[1:].permute(0, 3, 1, 2))
        found = Flow.both_ways(ahead, behind)
        unseen = ~self.visible
        return Flow(found.forward, found.backward, found.hidden | unseen[:-1], found.appeared | unseen[1:])


def dense_flow(
    drawn: Drawn, picture: Tensor | None = None, field: Field = "rigid", network: FlowCompletion | None = None
) -> DenseFlow:
    """The flow that strokes stand for: each moves what it holds, anchors stay, what sways goes to and fro upon that,
    and the camera moves all of it.

    A stroke holds its mask, or what lies within its reach of its first point, along the picture and not over its edges.

    Args:
        drawn: the strokes, in F frames of H x W pixels
        picture: (3, H, W) in [0, 1] that they are drawn on; None where there is none, as before a clip is made
        field: what happens around a point and between several
        network: that sees in the picture, where there is one, what goes along with the strokes, which then need not end
            where their reach does; how it goes is computed, of rigid neighbourhoods
    """
    size = drawn.size
    moved = torch.zeros(drawn.frames, 2, *size)
    held, order, notes = torch.zeros(size), torch.zeros(size), tuple[str, ...]()
    if len(drawn.tracks):
        felt = _felt(drawn, picture)
        order = resized(_lead(felt, len(drawn.tracks)), size)[0, 0]
        if network is not None and picture is not None:
            moved, held = _learnt(network, picture, drawn, felt)
        else:
            moved, held, notes = _computed(felt, drawn, field)
            if field != "thin_plate" or any(mask is not None for mask in drawn.masks):
                moved = moved * held
    if drawn.sways:
        swayed = sway(drawn, picture)
        order = torch.where(held >= HELD, order, swayed.order / max(len(drawn.tracks), 1))
        moved, held, notes = moved + swayed.moved, torch.maximum(held, swayed.held), (*notes, *swayed.notes)
    for stays in (mask for mask in drawn.anchor_masks if mask is not None):
        moved, held = moved * ~stays, torch.maximum(held, stays.float())
    found = find_sources(moved, held, order, drawn.camera)
    held_there = found.visible & (found.held >= HELD)
    return DenseFlow(with_camera(moved, drawn.camera), found.backward, found.visible, held_there, held, notes)


def rigid_motion(drawn: Drawn, picture: Tensor) -> tuple[Tensor, Tensor]:
    """How far each pixel of a picture (3, H, W) in [0, 1] would go (F, 2, H, W), in pixels, before the camera, where
    what is around a point may turn and move, and how firmly it is held (H, W): what a network is shown."""
    moved, held, _ = _computed(_felt(drawn, picture), drawn, "rigid")
    return moved, held


def holding(drawn: Drawn, picture: Tensor) -> Tensor:
    """How firmly strokes, and what sways, hold each pixel (H, W) of a picture (3, H, W), wherever they lead, and
    whatever anchors do."""
    held = torch.zeros(drawn.size)
    if len(drawn.tracks):
        alone = replace(drawn, anchors=drawn.anchors[:0], anchor_reach=drawn.anchor_reach[:0], anchor_masks=())
        held = _held(_felt(alone, picture), alone)
    return torch.maximum(held, sway(drawn, picture).held) if drawn.sways else held


def _felt(drawn: Drawn, picture: Tensor | None) -> _Felt:
    """How strokes and anchors are felt on a grid of cells."""
    size = drawn.size
    points, reach = torch.cat([drawn.tracks[:, 0], drawn.anchors]), torch.cat([drawn.reach, drawn.anchor_reach])
    share = min(1.0, CELLS / max(size), math.sqrt(MOST_NUMBERS / (len(points) * size[0] * size[1])))
    cells = max(1, round(size[0] * share)), max(1, round(size[1] * share))
    scale = torch.tensor([cells[1] / size[1], cells[0] / size[0]])
    pixel = float(scale.mean())
    small = None if picture is None else resized(picture[None], cells)[0]
    furthest = float(reach.max()) * pixel * FADING + 2
    distances = geodesic_distances(small, (points + 0.5) * scale - 0.5, cells, furthest) / pixel
    firmly = hold(distances, reach)
    for index, mask in enumerate((*drawn.masks, *drawn.anchor_masks)):
        if mask is not None:
            firmly[index] = resized(mask.float()[None, None], cells)[0, 0]
    straight = torch.cdist(points, centres(cells, size).reshape(-1, 2)).view(-1, *cells)
    near = torch.where(torch.isinf(distances), straight, distances)
    return _Felt(firmly, (firmly + FAINT) / (near.square() + NEAR))


@dataclass(frozen=True, eq=False)
class _Felt:
    """How S strokes and anchors are felt in h x w cells.

    Attributes:
        firmly: (S, h, w) how firmly each holds, 0 to 1
        weights: (S, h, w) how much each counts, beside the others
    """

    firmly: Tensor
    weights: Tensor


def _held(felt: _Felt, drawn: Drawn) -> Tensor:
    """How firmly each pixel is held (H, W): by what holds it most; masks to the pixel, the rest cut at edges."""
    masks = (*drawn.masks, *drawn.anchor_masks)
    others = felt.firmly[[index for index, mask in enumerate(masks) if mask is None]]
    sharp = torch.zeros(drawn.size)
    for mask in (each for each in masks if each is not None):
        sharp = torch.maximum(sharp, mask.float())
    if not len(others):
        return sharp
    return torch.maximum(sharp, cut_at_edges(resized(others.amax(0)[None, None], drawn.size)))


def _lead(felt: _Felt, strokes: int) -> Tensor:
    """How near to who looks is what leads in each cell (1, 1, h, w): later strokes are nearer, anchors lie behind."""
    which = (felt.weights * felt.firmly.clamp(min=FAINT)).argmax(0) + 1
    return torch.where(which > strokes, 0, which)[None, None].float() / max(strokes, 1)


def _computed(felt: _Felt, drawn: Drawn, field: Field) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """How far each pixel would go (F, 2, H, W), how firmly it is held (H, W), and a line of where the picture folds."""
    held, moved = _held(felt, drawn), resized(_field(felt, drawn, field), drawn.size)
    return moved, held, _folds(moved, held, drawn)


def _learnt(network: FlowCompletion, picture: Tensor, drawn: Drawn, felt: _Felt) -> tuple[Tensor, Tensor]:
    """How far each pixel moves (F, 2, H, W) and how firmly it is held (H, W), as a network says of things. Where every
    stroke has a mask, nothing else moves; and anchors hold what lies within their reach."""
    points, targets, _ = _control_points(drawn)
    computed, before, _ = _computed(felt, drawn, "rigid")
    held = held_whole(network, picture, drawn, points, targets, computed, before)
    masks = [mask for mask in drawn.masks if mask is not None]
    for mask in masks:
        held = torch.maximum(held, mask.float())
    if len(masks) == len(drawn.masks):
        held = held * torch.stack(masks).any(0)
    moved, stays = computed * held, felt.firmly[len(drawn.tracks) :]
    return moved, held if not len(stays) else torch.maximum(held, resized(stays.amax(0)[None, None], drawn.size)[0, 0])


def _control_points(drawn: Drawn) -> tuple[Tensor, Tensor, list[int]]:
    """Points of strokes and anchors (K, 2), where they go (F, K, 2), and which stroke or anchor each belongs to: one
    point of each, and of what turns or grows four around it."""
    points, targets = [*drawn.tracks[:, 0], *drawn.anchors], [*drawn.pulled]
    targets += [each.expand(drawn.frames, 2) for each in drawn.anchors]
    owners = list(range(len(points)))
    shaped = (drawn.scale != 1).any(1) | (drawn.turn != 0).any(1)
    for index in shaped.nonzero().flatten().tolist():
        scale, turn = drawn.scale[index], drawn.turn[index]
        cos, sin = scale * turn.cos(), scale * turn.sin()
        for x, y in ((1, 0), (0, 1), (-1, 0), (0, -1)):
            arm = torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)  # (F, 2)
            points.append(points[index] + torch.tensor([x, y]) * ARM)
            targets.append(targets[index] + arm * ARM)
            owners.append(index)
    return torch.stack(points), torch.stack(targets, dim=1), owners


def _field(felt: _Felt, drawn: Drawn, field: Field) -> Tensor:
    """How far each cell moves (F, 2, h, w), held or not."""
    cells = felt.firmly.shape[1], felt.firmly.shape[2]
    places = centres(cells, drawn.size).reshape(-1, 2)
    points, targets, owners = _control_points(drawn)
    if field == "thin_plate":
        edge = edge_points(drawn.size)
        stay = edge.expand(len(targets), *edge.shape)
        moved = thin_plate(places, torch.cat([points, edge]), torch.cat([targets, stay], dim=1))
    else:
        scales = field == "similarity" or bool((drawn.scale != 1).any())
        moved = moving_least_squares(places, points, targets, felt.weights.flatten(1).T[:, owners], scales=scales)
    return moved.transpose(1, 2).unflatten(2, cells)


def _folds(moved: Tensor, held: Tensor, drawn: Drawn) -> tuple[str, ...]:
    """A line of which strokes fold the picture, if any do."""
    area = determinant(gradients(moved))  # (F, H, W)
    inside = -F.max_pool2d(-held[None], 5, stride=1, padding=2)[0] > 1 - FOLDED
    area = torch.where(inside, area, 1.0)
    if float(area.min()) >= FOLDED:
        return ()
    frame, place = divmod(int(area.argmin()), held.numel())
    x, y = place % held.shape[1], place // held.shape[1]
    gaps = (drawn.tracks[:, 0] - torch.tensor([x, y])).norm(dim=1)
    names = [drawn.names[index] for index in gaps.argsort()[:2].tolist()]
    who = " and ".join(names)
    return (f"{who}: the picture folds over itself at ({x}, {y}) in frame {frame}; let them cross less.",)
