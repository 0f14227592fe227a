"""Things cut out of a picture by their colours, to the pixel."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vedit.clip.sizes import Size, resize
from vedit.otsu import otsu

WORKED_AT = 256
"""Longest side in pixels at which pictures are cut: a thing's outline is smooth, and larger ones take seconds."""

ROUNDS = 4
"""Of GrabCut; later ones change single pixels."""

RIM = 0.03
"""Share of the shorter side that is looked at along the edges of a picture, for what its ground is like."""

KINDS_OF_GROUND = 6
"""Colours that a ground is told by."""

SMALLEST, LARGEST = 0.003, 0.6
"""Shares of the picture that something has to cover to be its thing."""

MARGIN = 1 / 16
"""Share of the shorter side by which a rough outline may be off."""


def main_thing(picture: Tensor) -> Tensor | None:
    """What stands out of a picture (3, H, W) in [0, 1], as a mask (H, W) bool; None where nothing does.

    The largest thing whose colours are not those along the picture's edges.

    Source: GrabCut, Rother et al. 2004, begun with what a background prior finds, as in Wei et al. 2012, section 3.
    """
    small = _small(picture)
    strange = _strangeness(small)
    found = _largest(_grab(small, strange > otsu(strange.flatten()), sure=torch.zeros_like(strange, dtype=torch.bool)))
    if not SMALLEST <= float(found.float().mean()) <= LARGEST:
        return None
    return _large(found, (picture.shape[1], picture.shape[2]))


def cut_out(picture: Tensor, roughly: Tensor) -> Tensor:
    """A thing of a picture (3, H, W) in [0, 1] to the pixel (H, W) bool, by where it is ``roughly`` (H, W) in [0, 1].

    What is far from there is none of it. Where colours do not part it from its ground, it is where it was said to be.

    Source: GrabCut, Rother et al. 2004.
    """
    size = picture.shape[1], picture.shape[2]
    rough = roughly >= 0.5
    if not rough.any() or rough.all():
        return rough
    small = _small(picture)
    cells = small.shape[1], small.shape[2]
    soft = F.interpolate(roughly[None, None], size=cells, mode="bilinear", align_corners=False)[0, 0]
    inside, margin = soft >= 0.5, max(2, round(MARGIN * min(cells)))
    found = _grab(small, inside, sure=~_grown(~inside, margin), near=_grown(inside, margin))
    cut = _large(found, size)
    share = float(cut.sum() / rough.sum())
    return cut if 0.4 <= share <= 2.5 else rough


def _small(picture: Tensor) -> Tensor:
    height, width = picture.shape[1:]
    scale = min(1.0, WORKED_AT / max(height, width))
    return resize(picture[None], (max(1, round(height * scale)), max(1, round(width * scale))))[0]


def _large(mask: Tensor, size: Size) -> Tensor:
    return F.interpolate(mask[None, None].float(), size=size, mode="bilinear", align_corners=False)[0, 0] >= 0.5


def _grown(mask: Tensor, pixels: int) -> Tensor:
    return F.max_pool2d(mask[None].float(), 2 * pixels + 1, stride=1, padding=pixels)[0].bool()


def _pixels(picture: Tensor) -> NDArray[np.uint8]:
    rgb = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    return rgb[..., ::-1].copy()  # OpenCV has blue first


def _strangeness(picture: Tensor) -> Tensor:
    """How far (H, W) each pixel's colour is from the nearest of those along the edges, in CIELAB."""
    lab = cv2.cvtColor(_pixels(picture).astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
    lab = cv2.GaussianBlur(lab, (0, 0), 1.0)
    rim = max(2, round(RIM * min(lab.shape[:2])))
    edge = np.ones(lab.shape[:2], bool)
    edge[rim:-rim, rim:-rim] = False
    samples = np.ascontiguousarray(lab[edge], np.float32)
    cv2.setRNGSeed(0)
    count = min(KINDS_OF_GROUND, len(samples))
    ends = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, _, kinds = cv2.kmeans(samples, count, None, ends, 2, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    away = torch.cdist(torch.from_numpy(lab.reshape(-1, 3).copy()), torch.from_numpy(kinds)).amin(1)
    return away.view(lab.shape[:2])


def _grab(picture: Tensor, rough: Tensor, *, sure: Tensor, near: Tensor | None = None) -> Tensor:
    """What is cut out (H, W) bool: ``sure`` belongs to it, and what is not ``near`` does not."""
    state = np.where(rough.numpy(), cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    state[sure.numpy()] = cv2.GC_FGD
    if near is not None:
        state[~near.numpy()] = cv2.GC_BGD
    ours = (state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD)
    if ours.all() or not ours.any():
        return rough
    cv2.setRNGSeed(0)
    cv2.grabCut(_pixels(picture), state, None, np.zeros((1, 65)), np.zeros((1, 65)), ROUNDS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    return torch.from_numpy((state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD))


def _largest(mask: Tensor) -> Tensor:
    """The largest piece of a mask, without the specks and hairs around it."""
    opened = cv2.morphologyEx(mask.numpy().astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, pieces, facts, _ = cv2.connectedComponentsWithStats(opened)
    if count < 2:
        return torch.zeros_like(mask)
    return torch.from_numpy(pieces == 1 + int(facts[1:, cv2.CC_STAT_AREA].argmax()))
