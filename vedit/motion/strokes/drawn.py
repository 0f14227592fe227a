"""Drawn: a strokes file brought to a clip, everything in its pixels and frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vedit.clip.sizes import Size
from vedit.motion.strokes.swaying import Swaying


@dataclass(frozen=True, eq=False)
class Drawn:
    """S strokes and A anchors over a picture of H x W pixels, in F frames.

    Coordinates are (x, y), x to the right and y down; (0, 0) is the middle of the upper left pixel. They are drawn upon
    the picture, as if the camera stood still: ``on_screen`` adds the camera.

    Attributes:
        size: (H, W)
        tracks: (S, F, 2) where each stroke's point is in each frame
        strength: (S, F) how far it goes of the way that is drawn: 1 all of it, 0 stays; 0 too where it is not visible
        reach: (S,) pixels around a stroke's first point that move with it
        masks: for each stroke the region (H, W) bool of the picture that moves with it, or None, where reach says it
        scale: (S, F) how large its thing is, 1 in the picture
        turn: (S, F) radians by which it is turned about its point, clockwise as seen; 0 in the picture
        anchors: (A, 2) points that stay
        anchor_reach: (A,) pixels around each that stay with it
        anchor_masks: for each the region (H, W) bool that stays, or None
        camera: (F, 2, 3) from the pixel coordinates of frame 0 to those of each frame; the first is the identity
        loop: whether the last frame leads to the first
        names: of the strokes
        sways: what goes to and fro, the nearest last
    """

    size: Size
    tracks: Tensor
    strength: Tensor
    reach: Tensor
    masks: tuple[Tensor | None, ...]
    scale: Tensor
    turn: Tensor
    anchors: Tensor
    anchor_reach: Tensor
    anchor_masks: tuple[Tensor | None, ...]
    camera: Tensor
    loop: bool
    names: tuple[str, ...]
    sways: tuple[Swaying, ...] = ()

    def __repr__(self) -> str:
        moves = "" if self.still_camera else ", a moving camera"
        return (
            f"Drawn({len(self.names)} strokes, {len(self.anchors)} anchors, {len(self.sways)} sways, {self.frames} "
            f"frames of {self.size[1]}x{self.size[0]}{moves})"
        )

    @property
    def frames(self) -> int:
        """F."""
        return len(self.camera)

    @property
    def still_camera(self) -> bool:
        """Whether the camera moves in no frame."""
        return bool(torch.allclose(self.camera, self.camera[:1].expand_as(self.camera), atol=1e-4))

    @property
    def pulled(self) -> Tensor:
        """(S, F, 2): where each stroke's point really is, its strength reckoned in; the camera still."""
        start = self.tracks[:, :1]
        return start + self.strength[..., None] * (self.tracks - start)

    def on_screen(self, points: Tensor) -> Tensor:
        """Points upon the picture, (..., F, 2) or (..., 1, 2) for the same in all frames, as the camera shows them:
        (..., F, 2)."""
        spread = points.to(self.camera).expand(*points.shape[:-2], self.frames, 2)
        return torch.einsum("fij,...fj->...fi", self.camera[:, :, :2], spread) + self.camera[:, :, 2]
