"""An edit of key frames, and of what lies between them: sampled together, carried along the clip's motion, refined."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from vedit.adapters.tuned import Adapter
from vedit.clip import Clip
from vedit.clip.sizes import Size
from vedit.condition import Condition
from vedit.entrances.energy import Energy, EnergyOfFrames
from vedit.errors import ConfigError
from vedit.flow import Flow
from vedit.graph import Stage, Work
from vedit.key_frames import KeyFrames
from vedit.mapped import drawn_in_chunks, let_go, picked, room_for
from vedit.masks import LatentBlend, latent_mask, untouched_pixels
from vedit.motion.fill import Filled, fill
from vedit.priors import Start
from vedit.priors.inversion import BETWEEN
from vedit.progress import renamed
from vedit.session import Model, Session, within_memory
from vedit.shots import ONE_SHOT, Shots
from vedit.stages.conditions import control_work
from vedit.stages.denoise import Denoise
from vedit.stages.flow import EstimateFlow
from vedit.stages.keys import ChooseKeys
from vedit.stages.latents import Encode
from vedit.stages.sampling import Sampling
from vedit.stages.tune import Tune

FILLING = "denoising between key frames"
"""What progress calls it."""


@dataclass(frozen=True)
class OfKeys(Stage[Tensor]):
    """What a tensor (F, ...) has of the key frames: (K, ...)."""

    whole: Stage[Tensor]
    keys: ChooseKeys

    def make(self, session: Session, whole: Tensor, keys: KeyFrames) -> Tensor:
        return picked(whole, keys.at)


@dataclass(frozen=True, kw_only=True)
class DenoiseKeys(Denoise):
    """The latents of key frames, those of each shot sampled together: (R + 1, K, 4, h, w), of the last R steps, so that
    others can be sampled beside them; the last are the clean ones.

    Attributes:
        mask: of the key frames (K, 1, h, w)
        fill_steps: R
    """

    keys: ChooseKeys
    fill_steps: int

    def make(  # type: ignore[override]  # the key frames are one input more
        self,
        session: Session,
        start: Start,
        latents: Tensor,
        tuned: Adapter | None,
        flow: Flow | None,
        conditions: tuple[tuple[Condition, ...], ...],
        mask: Tensor | None,
        shots: Shots | None,
        keys: KeyFrames,
    ) -> Tensor:
        _check(conditions)
        shape, unfinished = (self.fill_steps + 1, len(keys), *latents.shape[1:]), session.unfinished
        states = room_for(shape) if unfinished is None else unfinished.room_for("tensor", shape)
        with session.working(self.model, self.attention, adapter=tuned, flow=flow) as backbone:
            steps = backbone.schedule(self.steps).last(self.steps_taken)
            before = len(steps) - self.fill_steps  # steps that are not kept
            x, source, trace = self.begun(backbone, start, latents, steps)
            keep = None
            if mask is not None:
                whole = room_for((len(latents), *mask.shape[1:])).fill_(1.0)
                whole[list(keys.at)] = mask.to(whole)
                keep = LatentBlend(whole.to(backbone.device), trace).blend

            def after_step(x: Tensor, index: int, cut: slice) -> Tensor:
                x = x if keep is None else keep(x, index, cut)
                if index + 1 >= before:
                    for number, key in enumerate(keys.at):
                        if cut.start <= key < cut.stop:
                            states[index + 1 - before, number] = x[key - cut.start].cpu()
                    let_go(states)
                return x

            if before == 0:
                states[0] = picked(x, keys.at).cpu()
            guider = self.guidance.guider(backbone, shots or ONE_SHOT)
            self.sampled(
                backbone, x, steps, guider, conditions, session, source=source, after_step=after_step,
                only=keys.together, unfinished=unfinished,
            )  # fmt: skip
        return states

    def work(self) -> tuple[Work, ...]:
        return self.keys.of_keys(*super().work())

    def room(self, frames: int, size: Size, cell: int) -> int:
        return super().room((self.fill_steps + 1) * self.keys.expected, size, cell)


@dataclass(frozen=True)
class EditedKeys(Stage[Tensor]):
    """The edited key frames (K, 3, H, W) in [0, 1]: the clip's own with what the edit changes of them, so that what the
    VAE loses of either is no change.

    Attributes:
        mask: where they may change (K, 1, h, w); None for everywhere
    """

    clip: Stage[Clip]
    latents: Encode
    keys: ChooseKeys
    sampled: DenoiseKeys
    mask: Stage[Tensor] | None
    model: Model

    title: ClassVar[str] = "decoding"

    def make(
        self, session: Session, clip: Clip, latents: Tensor, keys: KeyFrames, sampled: Tensor, mask: Tensor | None
    ) -> Tensor:
        backbone = session.plain(self.model)
        with within_memory():
            edited, own = backbone.decode(sampled[-1]), backbone.decode(picked(latents, keys.at))
        opened = room_for((len(keys), 1, *clip.size)).fill_(1.0)
        if mask is not None:
            opened = drawn_in_chunks(lambda part: 1 - untouched_pixels(part.cpu(), clip.size), mask)

        def draw(frames: Tensor, edited: Tensor, own: Tensor, opened: Tensor) -> Tensor:
            return (frames + (edited - own) * opened).clamp(0, 1)

        return drawn_in_chunks(draw, picked(clip.frames, keys.at), edited, own, opened)

    def work(self) -> tuple[Work, ...]:
        return self.keys.of_keys(Work("vae decoder", "VAE, out", 2))


@dataclass(frozen=True)
class FillBetween(Stage[Filled]):
    """Edited key frames carried to the frames between them."""

    clip: Stage[Clip]
    flow: EstimateFlow
    keys: ChooseKeys
    edited: EditedKeys

    title: ClassVar[str] = "filling in"

    def make(self, session: Session, clip: Clip, flow: Flow, keys: KeyFrames, edited: Tensor) -> Filled:
        return fill(clip.frames, flow, edited, keys.at)

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        return frames * size[0] * size[1] * (3 * 4 + 1)


@dataclass(frozen=True)
class FilledClip(Stage[Clip]):
    """The clip as its edited key frames, carried to the others, have it; what a ``mask`` (F, 1, h, w) closes is its
    own."""

    clip: Stage[Clip]
    filled: FillBetween
    mask: Stage[Tensor] | None

    def make(self, session: Session, clip: Clip, filled: Filled, mask: Tensor | None) -> Clip:
        if mask is None:
            return replace(clip, frames=filled.frames)
        closed = untouched_pixels(mask.cpu(), clip.size)
        return replace(clip, frames=drawn_in_chunks(torch.lerp, filled.frames, clip.frames, closed))


@dataclass(frozen=True)
class FilledMask(Stage[Tensor]):
    """Where the edit may happen (F, 1, h, w), of the key frames' mask (K, 1, h, w): in the others, where what is
    carried there changes them."""

    filled: FillBetween
    keys: ChooseKeys
    mask: Stage[Tensor]
    cell: int
    steps_taken: int

    title: ClassVar[str] = "mask"

    def make(self, session: Session, filled: Filled, keys: KeyFrames, mask: Tensor) -> Tensor:
        whole = latent_mask(filled.changed[:, None], self.cell, self.steps_taken)
        whole[list(keys.at)] = mask.to(whole)
        return whole


@dataclass(frozen=True, kw_only=True)
class RefineBetween(Sampling):
    """The latents (F, 4, h, w) of a clip of which the key frames are edited.

    What is carried to each other frame is brought to the noise of that frame's own trace, so that what is not changed
    lies on the way back to the clip, and sampled beside the two key frames that it lies between.

    Source: warped key frames refined from a partial strength, Rerender A Video, Yang et al. 2023, section 4; here from
    the noise of the inversion.

    Attributes:
        latents: of the clip
        carried: those of what is carried
        keys, sampled_keys: the key frames, and how they were sampled
        mask: where the clip may change
    """

    latents: Encode
    carried: Encode
    keys: ChooseKeys
    sampled_keys: DenoiseKeys
    mask: Stage[Tensor] | None = None
    tuned: Tune | None = None
    shots: Stage[Shots] | None = None

    def make(
        self,
        session: Session,
        start: Start,
        latents: Tensor,
        carried: Tensor,
        keys: KeyFrames,
        sampled_keys: Tensor,
        tuned: Adapter | None,
        flow: Flow | None,
        conditions: tuple[tuple[Condition, ...], ...],
        mask: Tensor | None,
        shots: Shots | None,
    ) -> Tensor:
        rows = list(keys.at)
        if not keys.segments:  # and so every frame is a key frame
            return sampled_keys[-1].to(latents)
        with session.working(self.model, BETWEEN, adapter=tuned, flow=flow) as backbone:
            steps = backbone.schedule(self.steps).last(self.steps_taken)
            _, trace = start.at(steps, latents.to(backbone.device))
            keep = None if mask is None else LatentBlend(mask.to(backbone.device), trace).blend

            def hold(x: Tensor, index: int, cut: slice) -> Tensor:
                x = x if keep is None else keep(x, index, cut)
                for number, key in enumerate(keys.at):
                    if cut.start <= key < cut.stop:
                        x[key - cut.start] = sampled_keys[index + 1, number].to(x)
                return x

            signal = steps.level(0, latents.device).signal

            def noised(noise: Tensor, carried: Tensor, latents: Tensor) -> Tensor:
                return noise.to(latents) + signal * (carried.to(latents) - latents)

            x = drawn_in_chunks(noised, trace[-1], carried, latents)
            x[rows] = sampled_keys[0].to(x)
            guider = self.guidance.guider(backbone, shots or ONE_SHOT)
            return self.sampled(
                backbone, x, steps, guider, conditions, session, after_step=hold, only=keys.segments,
                unfinished=session.unfinished, progress=renamed(session.progress, FILLING),
            )  # fmt: skip

    def work(self) -> tuple[Work, ...]:
        branches = self.guidance.branches
        unet = Work("unet", "denoising steps between key frames", self.steps_taken, branches, FILLING)
        controls = control_work(self.conditions, self.steps, self.steps_taken, branches, ", between")
        return self.keys.of_segments(unet, *controls)


def _check(conditions: tuple[tuple[Condition, ...], ...]) -> None:
    """Raise ConfigError for a condition that looks at all frames together, where some are sampled without the rest."""
    if any(isinstance(each.entrance, Energy | EnergyOfFrames) for some in conditions for each in some):
        raise ConfigError(
            "key_frames: a condition that steers by a gradient looks at all frames together; leave out either, or take "
            "--fill tokens."
        )
