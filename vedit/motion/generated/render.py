"""From a flow volume to the dense flow of a picture, its things cut out to the pixel."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.flow import centres
from vedit.motion.cut_out import cut_out
from vedit.motion.dense import DenseFlow
from vedit.motion.generated.volume import COVERED, FlowVolume
from vedit.motion.grid import resized
from vedit.motion.inverse import HELD, find_sources, with_camera

STILL = 0.01
"""Share of the picture's longer side up to which the ground stands in the whole of a volume: what sampling errs by."""

SMOOTH = 1.0
"""Cells over which the motion of a thing is evened out, as a deviation."""

SURE = 0.1
"""How little of a cell things may hold for it to say how the camera moves."""


def dense_of(volume: FlowVolume, picture: Tensor) -> DenseFlow:
    """The flow of a picture (3, H, W) in [0, 1] that a volume stands for.

    Things are cut out where the volume holds them. The camera's motion is what the ground agrees upon; what else the
    ground does is left to it.
    """
    size = picture.shape[1], picture.shape[2]
    cells, longer = (volume.held.shape[0], volume.held.shape[1]), max(size)
    moved = volume.moved * longer
    moved = moved - moved[:1]
    thing = cut_out(picture, resized(volume.held[None, None], size)[0, 0])
    camera = _camera(moved, 1 - volume.held, cells, size)
    things = volume.held >= COVERED  # whose motion such cells have
    weights = volume.held.square() * things, (1 - volume.held).square() * ~things
    own, ground = (resized(_evened(moved, weight), size) for weight in weights)
    unheld = _before(ground, camera)
    if float(unheld[:, :, ~thing].abs().amax() if bool((~thing).any()) else 0.0) < 2 * STILL * longer:
        unheld = torch.zeros_like(unheld)
    total = torch.where(thing, _before(own, camera), unheld)
    held = thing.float()
    found = find_sources(total, held, torch.zeros(size), camera)
    drawn = found.visible & (found.held >= HELD)
    return DenseFlow(with_camera(total, camera), found.backward, found.visible, drawn, held)


def _evened(moved: Tensor, weight: Tensor) -> Tensor:
    """Motion (F, 2, h, w) evened out where it is weighed (h, w), and continued where it is not."""
    reach = max(moved.shape[2:])
    places = torch.arange(-reach, reach + 1, dtype=torch.float32)
    # Near ones count as in a Gaussian; where there is none far ones do, a little, so that all is continued.
    kernel = torch.exp(-0.5 * (places / SMOOTH).square()) + 1e-4 * torch.exp(-0.5 * (places / (reach / 3)).square())

    def blurred(values: Tensor) -> Tensor:
        across = F.conv2d(values.flatten(0, 1)[:, None], kernel.view(1, 1, 1, -1), padding=(0, reach))
        return F.conv2d(across, kernel.view(1, 1, -1, 1), padding=(reach, 0))[:, 0].view_as(values)

    there = weight.clamp(min=1e-6)
    return blurred(moved * there) / blurred(there.expand(1, 1, *there.shape)).clamp(min=1e-30)


def _camera(moved: Tensor, ground: Tensor, cells: Size, size: Size) -> Tensor:
    """(F, 2, 3): the similarity that the cells of the ground (h, w), 0 to 1, agree upon in each frame; the first is the
    identity, and all are where it hardly moves."""
    still = torch.eye(2, 3).repeat(len(moved), 1, 1)
    chosen = ground >= 1 - SURE
    if int(chosen.sum()) < 3:
        return still
    start = centres(cells, size)[chosen].double().numpy()
    found = [np.eye(2, 3)]
    for each in moved[1:]:
        end = start + each[:, chosen].T.double().numpy()
        step, _ = cv2.estimateAffinePartial2D(
            start, end, method=cv2.RANSAC, ransacReprojThreshold=STILL * max(size) + 0.5
        )
        found.append(np.eye(2, 3) if step is None else step.astype(np.float64))
    camera = torch.from_numpy(np.stack(found)).float()
    corners = torch.tensor([[0.0, 0, 1], [size[1], 0, 1], [0, size[0], 1], [size[1], size[0], 1]])
    gone = (torch.einsum("fij,nj->fni", camera, corners) - corners[:, :2]).norm(dim=-1)
    return camera if float(gone.max()) > 2 * STILL * max(size) else still


def _before(moved: Tensor, camera: Tensor) -> Tensor:
    """What of a motion (F, 2, H, W) is left before the ``camera`` (F, 2, 3) moves all of it."""
    size = moved.shape[2], moved.shape[3]
    pixels = centres(size, size)
    whole = torch.cat([camera, torch.tensor([0.0, 0, 1]).expand(len(camera), 1, 3)], dim=1)
    back = torch.linalg.inv(whole)[:, :2]
    places = pixels + moved.permute(0, 2, 3, 1)
    found = torch.einsum("fij,fhwj->fhwi", back[:, :, :2], places) + back[:, None, None, :, 2] - pixels
    return found.permute(0, 3, 1, 2)
