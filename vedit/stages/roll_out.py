"""Sampling a clip whose things follow strokes, frame by frame, each from the one before."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.condition import Condition
from vedit.flow import Flow
from vedit.graph import Stage, Work
from vedit.graph.files import File
from vedit.graph.unfinished import Unfinished
from vedit.masks.dual_clock import DualClock
from vedit.motion.dense import DenseFlow
from vedit.motion.fields import Field
from vedit.motion.learnt.completion import load_completion
from vedit.motion.learnt.next_frame import (
    CHANNELS,
    KIND,
    load_motion_control,
    motion_condition,
    motion_pictures,
)
from vedit.motion.roll_out import RollOut
from vedit.motion.strokes.drawn import Drawn
from vedit.priors import Start
from vedit.progress import Progress
from vedit.session import Session
from vedit.stages.animate import Hold, held_until
from vedit.stages.sampling import Sampling

SIDE_BY_SIDE = 2
"""Frames that the network sees: the one before, which is held, and the one that is made."""


@dataclass(frozen=True, kw_only=True)
class DenoiseRollOut(Sampling):
    """The latents of a picture that is set in motion, one frame after the other.

    Each frame starts from the picture cut and dragged to it, is held to that as in ``DenoiseHeld``, and is drawn
    by the ControlNet `motion` from the frame before it, which is beside it for the attention that joins frames.

    Source: the roll-out of MCDiff, Chen et al. 2023, section 3.1.

    Attributes:
        network: the folder of one that completes flow, in place of the field
        net: the folder of the ControlNet
        frames: of the clip
    """

    picture: Stage[Tensor]
    motion: Stage[DenseFlow]
    drawn: Stage[Drawn]
    field: Field
    network: File | None
    net: File
    hold: Hold
    frames: int

    def make(
        self,
        session: Session,
        start: Start,
        picture: Tensor,
        motion: DenseFlow,
        drawn: Drawn,
        flow: Flow | None,
        conditions: tuple[tuple[Condition, ...], ...],
    ) -> Tensor:
        network = None if self.network is None else load_completion(self.network.path)
        held = self.hold.motion > 0
        rolling = RollOut(picture, motion, drawn, held=held, field=self.field, network=network)
        with session.working(self.model, self.attention, flow=flow) as backbone:
            steps = self.schedule(backbone)
            size, cell = (picture.shape[1], picture.shape[2]), backbone.vae_scale_factor
            shown = torch.zeros(self.frames, CHANNELS, *size)
            shown[0] = motion_pictures(picture, torch.zeros(1, 2, *size), torch.ones(1, *size))[0]
            condition = motion_condition(load_motion_control(self.net.path, backbone), shown)
            guider, latents = self.guidance.guider(backbone), torch.zeros_like(start.noise)
            latents[0], frame = backbone.encode(picture[None])[0], picture
            unfinished = session.unfinished
            done = _resumed(unfinished, latents)
            for index in range(1, self.frames):
                ahead = rolling.step(frame)
                shown[index] = motion_pictures(frame, ahead.backward[None], ahead.visible[None])[0]
                if index > done:
                    latents[index] = backbone.encode(ahead.crude[None])[0]
                    until = torch.ones(self.frames, 1, *latents.shape[2:], device=backbone.device)
                    until[index] = held_until(motion.drawn[index, None], ahead.known[None], self.hold, cell)[0]
                    clock = DualClock(latents, start.noise, until, steps)
                    made = self.sampled(
                        backbone, clock.begin(), steps, guider, (*conditions, (condition,)), session,
                        after_step=clock.hold, only=[range(index - 1, index + 1)],
                        progress=self._progress(session, index),
                    )  # fmt: skip
                    latents[index] = made[index]
                    if unfinished is not None and unfinished.due:
                        unfinished.save({"latents": latents, "frames": torch.tensor(index)})
                frame = self._frame(backbone, latents[index])
        return latents.cpu()

    def _frame(self, backbone: Backbone, latents: Tensor) -> Tensor:
        """(3, H, W) in [0, 1] of latents (4, h, w)."""
        return backbone.decode(latents[None])[0]

    def _progress(self, session: Session, index: int) -> Progress | None:
        """That of the whole clip, while a frame is made."""
        tell, whole = session.progress, self.frames - 1
        if tell is None:
            return None
        return lambda name, done, total: tell(name, (index - 1) * total + done, whole * total)

    def work(self) -> tuple[Work, ...]:
        times = -(-self.steps_taken // self.deep_cache) * SIDE_BY_SIDE
        control = Work(
            "controlnet", f"ControlNet {KIND}", times, self.guidance.branches, part=(KIND, str(self.net.path))
        )
        vae = Work("vae encoder", "VAE, in", 1), Work("vae decoder", "VAE, out", 1)
        return tuple(chain(self.unet_work(again=SIDE_BY_SIDE), (control,), self.controls(again=SIDE_BY_SIDE), vae))


def _resumed(unfinished: Unfinished | None, latents: Tensor) -> int:
    """The last frame that is made already; ``latents`` (F, 4, h, w) are those of all up to it then."""
    saved = None if unfinished is None else unfinished.read()
    if saved is None:
        return 0
    latents.copy_(saved["latents"])
    return int(saved["frames"])
