"""A picture that moves frame by frame: where its strokes have come to, and what the next frame is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vedit.flow import sample
from vedit.motion.dense import DenseFlow, dense_flow
from vedit.motion.fields import Field
from vedit.motion.learnt.completion import FlowCompletion
from vedit.motion.strokes.drawn import Drawn
from vedit.motion.warp import background, crude_animation, warped

LONGEST = 2.0
"""Times its drawn length that a step of a stroke may be, to make up for what earlier ones missed: one that is lost does
not tear the picture."""


@dataclass(frozen=True, eq=False)
class NextFrame:
    """What is known of a frame before it is made.

    Attributes:
        backward: (2, H, W) how far away what each pixel shows lies in the frame before, in pixels
        visible: (H, W) bool, whether it is seen there
        crude: (3, H, W) the picture cut and dragged to it, and what that does not show, of the frame before
        known: (H, W) bool, where it shows what is seen in either
    """

    backward: Tensor
    visible: Tensor
    crude: Tensor
    known: Tensor


class RollOut:
    """Where things are in the frames that are made one after the other.

    Each step asks of a stroke to go from where its point has come to to where it is drawn next. What the flow has
    missed is made up for, and does not add up.

    Source: the roll-out of MCDiff, Chen et al. 2023, section 3.1.
    """

    def __init__(
        self,
        picture: Tensor,
        motion: DenseFlow,
        drawn: Drawn,
        *,
        held: bool,
        field: Field = "rigid",
        network: FlowCompletion | None = None,
    ) -> None:
        """What is known before any frame is made.

        Args:
            picture: (3, H, W) in [0, 1], frame 0
            motion: where it goes in all frames
            drawn: the strokes that ask for it
            held: whether frames are held to where strokes lead; else things are where the flow has carried them
            field, network: as for ``dense_flow``
        """
        self.picture, self.motion, self.drawn, self.held = picture, motion, drawn, held
        self.points = drawn.tracks[:, 0]
        self._how = field, network
        self._frame = 0
        self._sways = motion.between_frames() if drawn.sways else None
        self._ground = background(picture, motion.held)

    def step(self, frame: Tensor) -> NextFrame:
        """Go on from the last ``frame`` (3, H, W) in [0, 1], as it was made."""
        flow = dense_flow(self._next_two(), frame, *self._how)
        carried = self.points + sample(flow.forward[1, None], self.points[None])[0].T
        self._frame += 1
        now = self._frame
        self.points = _mapped(self.drawn.camera[now], self.drawn.pulled[:, now]) if self.held else carried
        back, visible, rest = flow.backward[1], flow.visible[1], crude_animation(frame, flow)[1]
        if self._sways is not None:  # which goes its way whatever frames show
            back, visible = self._sways.backward[now - 1], ~self._sways.appeared[now - 1]
            behind = warped(self._ground, self.motion.backward[now, None])[0]
            rest = torch.where(visible, warped(frame, back[None])[0], behind).clamp(0, 1)
        # Of the picture itself what can be: to move frames again and again would blur them.
        dragged, seen = warped(self.picture, self.motion.backward[now, None])[0].clamp(0, 1), self.motion.visible[now]
        return NextFrame(back, visible, torch.where(seen, dragged, rest), seen | visible)

    def _next_two(self) -> Drawn:
        """The strokes from this frame to the next, upon this one as it is seen."""
        drawn, now = self.drawn, self._frame
        here, there = drawn.camera[now], drawn.camera[now + 1]
        zoom = here[:, :2].det().abs().sqrt()
        wanted = _mapped(here, drawn.pulled[:, now + 1])
        ways = wanted - self.points
        most = LONGEST * (wanted - _mapped(here, drawn.pulled[:, now])).norm(dim=1, keepdim=True)
        ways = ways * (most / ways.norm(dim=1, keepdim=True).clamp(min=1e-6)).clamp(max=1)
        still = torch.zeros(len(ways), 1)
        return replace(
            drawn,
            tracks=torch.stack([self.points, self.points + ways], dim=1),
            strength=still.new_ones(len(ways), 2),
            reach=drawn.reach * drawn.scale[:, now] * zoom,
            masks=self._there(drawn.masks),
            scale=torch.cat([still + 1, drawn.scale[:, now + 1, None] / drawn.scale[:, now, None]], dim=1),
            turn=torch.cat([still, drawn.turn[:, now + 1, None] - drawn.turn[:, now, None]], dim=1),
            anchors=_mapped(here, drawn.anchors),
            anchor_reach=drawn.anchor_reach * zoom,
            anchor_masks=self._there(drawn.anchor_masks),
            camera=torch.stack([torch.eye(3)[:2], (_whole(there) @ torch.linalg.inv(_whole(here)))[:2]]),
            sways=(),
        )

    def _there(self, masks: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        """Masks of the picture as they lie in the last frame."""
        back, visible = self.motion.backward[self._frame, None], self.motion.visible[self._frame]
        return tuple(
            None if mask is None else (warped(mask[None].float(), back)[0, 0] > 0.5) & visible for mask in masks
        )


def _mapped(affine: Tensor, places: Tensor) -> Tensor:
    """Places (..., 2) under an affine map (2, 3)."""
    return places @ affine[:, :2].T + affine[:, 2]


def _whole(affine: Tensor) -> Tensor:
    """An affine map (2, 3) with its last row (3, 3)."""
    return torch.cat([affine, torch.tensor([[0.0, 0.0, 1.0]])])
