"""What lies between edited key frames: carried to its place along the clip's motion, and refined beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from vedit.adapters.tuned import Adapter
from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.clip.sizes import Size
from vedit.condition import Condition, Stretch
from vedit.flow import Flow
from vedit.graph import Stage, TensorStage, Work
from vedit.graph.unfinished import Chapter, Unfinished
from vedit.key_frames import KeyFrames
from vedit.mapped import drawn_in_chunks, picked, room_for
from vedit.masks import LatentBlend, latent_mask, untouched_pixels
from vedit.motion.fill import fill
from vedit.priors import Start
from vedit.priors.inversion import BETWEEN, invert_between, passes, trace_for
from vedit.priors.inversion import FILLING as INVERTING
from vedit.progress import Progress
from vedit.schedule import Schedule
from vedit.session import Session
from vedit.shots import ONE_SHOT, Shots
from vedit.stages.conditions import control_work
from vedit.stages.flow import EstimateFlow
from vedit.stages.keys import ChooseKeys
from vedit.stages.latents import Encode
from vedit.stages.noise import starts_from_clip
from vedit.stages.sampled_keys import DenoiseKeys, EditedKeys, changed_pixels, check_conditions
from vedit.stages.sampling import Sampling
from vedit.stages.tune import Tune

FILLING = "denoising between key frames"
"""What progress calls it."""

PLACES = 4
"""Parts of a picture along each side whose mean colours what is filled in keeps."""

TOGETHER = 64
"""Frames of a clip that are one part of it, about."""


def parts_of(frames: int) -> int:
    """In how many parts a clip of so many ``frames`` is filled in, each by itself."""
    return -(-frames // TOGETHER)


@dataclass(frozen=True, kw_only=True)
class FillPart(Sampling):
    """What lies between the key frames of one part of a clip: (n, 4 + 1, h, w), the latents of these n frames in their
    order, and where the edit may have changed them, 0 to 1.

    The edited key frames are carried to the frames between them along the clip's motion. What was carried is brought to
    the noise of each frame's own inversion, so that what is not changed lies on the way back to the clip, and sampled
    beside the two frames that it lies between. That is done of all frames between two key frames at once; or level by
    level, of the middle one first, which is from then on a key frame like the others.

    No part depends on another, since what lies between two key frames depends on these two alone.

    Source: warped key frames refined from a partial strength, Rerender A Video, Yang et al. 2023, section 4; here from
    the noise of the inversion. Level by level: the coarse to fine order of NUWA-XL, Yin et al. 2023, section 3.3.

    Attributes:
        latents, motion: of the clip
        edited, sampled_keys: the key frames, and how they were sampled
        steering: those of the conditions that steer an inversion
        mask: where the clip may change; None for everywhere
        by_motion: whether it may change, instead, where what is carried there changes it
        part, parts: which of how many it is
        recursive: whether it goes level by level
    """

    clip: Stage[Clip]
    latents: Encode
    motion: EstimateFlow
    keys: ChooseKeys
    edited: EditedKeys
    sampled_keys: DenoiseKeys
    steering: tuple[Stage[tuple[Condition, ...]], ...]
    mask: Stage[Tensor] | None
    by_motion: bool
    part: int
    parts: int
    recursive: bool
    tuned: Tune | None = None
    shots: Stage[Shots] | None = None

    title: ClassVar[str] = "filling in"
    version: ClassVar[int] = 2

    @property
    def apart(self) -> bool:  # type: ignore[override]
        """Where there are several."""
        return self.parts > 1

    def make(
        self,
        session: Session,
        clip: Clip,
        latents: Tensor,
        motion: Flow,
        keys: KeyFrames,
        edited: Tensor,
        sampled_keys: Tensor,
        start: Start,
        tuned: Adapter | None,
        flow: Flow | None,
        conditions: tuple[tuple[Condition, ...], ...],
        steering: tuple[tuple[Condition, ...], ...],
        mask: Tensor | None,
        shots: Shots | None,
    ) -> Tensor:
        check_conditions(conditions)
        own = keys.part(self.part, self.parts)
        if own is None:
            return latents.new_zeros(0, latents.shape[1] + 1, *latents.shape[2:])
        first, last = own.at[0], own.at[-1] + 1
        here, stretch = slice(first, last), Stretch(first, len(latents))
        there = KeyFrames(tuple(key - first for key in own.at))
        rows = [row for row, key in enumerate(keys.at) if first <= key < last]
        with session.working(self.model, BETWEEN, adapter=tuned, flow=flow) as backbone:
            steps = self.schedule(backbone)
            filling = _Filling(backbone, steps, clip.frames[here], latents[here], motion.frames(first, last))
            trace = self._trace(filling, start, steps, there, keys.at, rows, here, session.unfinished)
            filling.open(session.unfinished, trace, None if mask is None else mask[here], by_motion=self.by_motion)
            filling.put(there.at, picked(edited, rows), sampled_keys[:, rows])
            guider, begun = self.guidance.guider(backbone, shots or ONE_SHOT), Chapter.begun(session.unfinished)
            levels = list(there.levels(recursive=self.recursive))
            for number, groups in enumerate(levels):
                among = sorted(frame for group in groups for frame in group[1:-1])
                inverting, refining = (Chapter.of(session.unfinished, 2 * number + each) for each in (0, 1))
                if begun <= 2 * number and starts_from_clip(self.start.prior):
                    invert_between(
                        backbone, trace, self.start.prompt.embedded(backbone), self.steps, self.steps_taken, groups,
                        corrections=self.start.corrections, conditions=[each for some in steering for each in some],
                        stretch=stretch, unfinished=inverting, progress=self._told(session, INVERTING, number, levels),
                    )  # fmt: skip
                if begun <= 2 * number + 1:
                    filling.carry(among)
                    begin = filling.begin(among, anew=begun <= 2 * number)
                    self.sampled(
                        backbone, begin, steps, guider, conditions, session, after_step=filling.hold,
                        only=groups, stretch=stretch, unfinished=refining,
                        progress=self._told(session, FILLING, number, levels),
                    )  # fmt: skip
                filling.end(among, last=number + 1 == len(levels))
            others = [each - first for each in own.others]
            return torch.cat([picked(filling.states[-1], others), picked(filling.opened, others)], dim=1)

    def _trace(
        self,
        filling: _Filling,
        start: Start,
        steps: Schedule,
        there: KeyFrames,
        at: Sequence[int],
        rows: Sequence[int],
        here: slice,
        unfinished: Unfinished | None,
    ) -> Tensor:
        """The way to noise (R + 1, F', 4, h, w) of the part; where it is an inversion, of its key frames."""
        if not starts_from_clip(self.start.prior) or start.trace is None:
            return Start(start.noise[here]).at(steps, filling.latents)[1]
        trace = trace_for(filling.latents, self.steps_taken, unfinished)
        if unfinished is None:
            trace[1:] = 0.0
        keys = [at[row] for row in rows]
        for level in range(1, self.steps_taken + 1):
            trace[level, list(there.at)] = start.trace[level, keys]
        return trace

    def _told(self, session: Session, what: str, level: int, levels: Sequence[object]) -> Progress | None:
        """What is told of a level's steps, as a share of those of all parts."""
        progress = session.progress
        if progress is None:
            return None
        before, count = self.part * len(levels) + level, self.parts * len(levels)
        return lambda _, done, total: progress(what, before * total + done, count * total)

    def work(self) -> tuple[Work, ...]:
        start = self.start
        works = [*self.unet_work("denoising steps between key frames", FILLING), *self.controls(", between")]
        if starts_from_clip(start.prior):
            count, what = passes(self.steps_taken, start.corrections), "inversion steps between key frames"
            again = max(1, start.corrections)
            works.append(Work("unet", what, count, progress=INVERTING))
            works += control_work(self.steering, self.steps, self.steps_taken, 1, ", inverting between", again)
        vae = [Work("vae encoder", "VAE, in", 1, share=self.keys.others / self.keys.frames)]
        if self.recursive:  # two decodings of each frame but for those of the last level, which are half of them
            vae.append(Work("vae decoder", "VAE, out", 1, share=self.keys.others / self.keys.frames))
        works = [*self.keys.of_segments(*works, recursive=self.recursive), *vae]
        return tuple(replace(each, share=each.share / self.parts) for each in works)

    def room(self, frames: int, size: Size, cell: int) -> int:
        return self.keys.others * (4 + 1) * (size[0] // cell) * (size[1] // cell) * 4 // self.parts

    def state(self, frames: int, size: Size, cell: int) -> int:
        """The way to noise, the states of the last steps, and where it may change."""
        return (2 * (self.steps_taken + 1) + 2) * super().room(frames, size, cell) // self.parts

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        """The frames that are filled in, what is carried to them, and what of it is changed, beside the latents."""
        return super().scratch(frames, size, cell) + frames * size[0] * size[1] * (2 * 3 * 4 + 1) // self.parts


class _Filling:
    """A part of a clip while it is filled in; its frames by their indices in it.

    Attributes:
        latents: (F', 4, h, w) of the clip
        states: (R + 1, F', 4, h, w) of the frames that are there, before the R steps and after each of them
        opened: (F', 1, h, w) where they may change
    """

    states: Tensor
    opened: Tensor

    def __init__(self, backbone: Backbone, steps: Schedule, frames: Tensor, latents: Tensor, motion: Flow) -> None:
        """Of the clip: ``frames`` (F', 3, H, W), ``latents`` (F', 4, h, w), and their ``motion``."""
        self.latents = latents
        self._backbone, self._steps, self._frames, self._motion = backbone, steps, frames, motion
        self._there: list[int] = []
        self._among: list[int] = []
        self._edited = room_for(frames.shape)
        self._carried: Tensor | None = None

    def open(self, unfinished: Unfinished | None, trace: Tensor, mask: Tensor | None, *, by_motion: bool) -> None:
        """Take up what was saved, if anything was. ``trace`` (R + 1, F', 4, h, w): the way to noise, clean first;
        ``mask``: where frames may change (F', 1, h, w), None for everywhere."""

        def room(name: str, shape: tuple[int, ...]) -> Tensor:
            return room_for(shape).zero_() if unfinished is None else unfinished.room_for(name, shape)

        self.states = room("states", (len(self._steps) + 1, *self.latents.shape))
        self.opened = room("opened", (len(self.latents), 1, *self.latents.shape[2:]))
        self._trace, self._by_motion, self._mask = trace, by_motion, mask
        if not by_motion:
            self.opened.copy_(torch.ones(()) if mask is None else mask)
        self._blend = None if mask is None and not by_motion else LatentBlend(self.opened, trace)

    def put(self, at: Sequence[int], edited: Tensor, states: Tensor) -> None:
        """Let key frames be there: as pictures (K, 3, H, W), and in all states (R + 1, K, 4, h, w)."""
        for number, key in enumerate(at):
            self._edited[key], self.states[:, key] = edited[number], states[:, number]
            if self._by_motion:
                self.opened[key] = 1.0
        self._there = list(at)

    def carry(self, among: Sequence[int]) -> None:
        """Carry what is there to some frames, and make latents of that."""
        found = fill(self._frames, self._motion, picked(self._edited, self._there), self._there)
        pictures = picked(found.frames, among)
        if self._by_motion:
            changed = latent_mask(
                picked(found.changed, among)[:, None], self._backbone.vae_scale_factor, len(self._steps)
            )
            for number, frame in enumerate(among):
                self.opened[frame] = changed[number]
        elif self._mask is not None:
            size = int(pictures.shape[2]), int(pictures.shape[3])
            closed = untouched_pixels(picked(self.opened, among), size)
            pictures = drawn_in_chunks(torch.lerp, pictures, picked(self._frames, among), closed)
        self._carried = self._backbone.encode(pictures)

    def begin(self, among: Sequence[int], *, anew: bool) -> Tensor:
        """Where the sampling of some frames begins: the latents (F', 4, h, w) of these under their noise, and beside
        them those of the frames that are there. What is not begun ``anew`` goes on from what was saved."""
        self._among = list(among)
        x = room_for(self.latents.shape).zero_()
        x[self._there] = self.states[0, self._there]
        if not anew:
            return x
        assert self._carried is not None, "what is begun has been carried"
        signal = self._steps.level(0, self.latents.device).signal

        def noised(noise: Tensor, carried: Tensor, latents: Tensor) -> Tensor:
            return noise.to(latents) + signal * (carried.to(latents) - latents)

        begun = drawn_in_chunks(noised, picked(self._trace[-1], among), self._carried, picked(self.latents, among))
        for number, frame in enumerate(among):
            x[frame] = self.states[0, frame] = begun[number]
        return x

    def hold(self, x: Tensor, index: int, cut: slice) -> Tensor:
        """After a step: what may not change is put back, the frames that are there take their next states, and the
        states of the others are kept."""
        if index + 1 == len(self._steps):
            x = self._tinted(x, cut)
        x = x if self._blend is None else self._blend.blend(x, index, cut)
        for frame in self._there:
            if cut.start <= frame < cut.stop:
                x[frame - cut.start] = self.states[index + 1, frame].to(x)
        for frame in self._among:
            if cut.start <= frame < cut.stop:
                self.states[index + 1, frame] = x[frame - cut.start].cpu()
        return x

    def _tinted(self, x: Tensor, cut: slice) -> Tensor:
        """Latents (F', 4, h, w) with the colours of what was carried, on which key frames agree: few steps bring them
        nearer to those that the model takes without guidance.

        Source: colour-aware adaptive latent adjustment, Rerender A Video, Yang et al. 2023, section 4.1; here of means
        alone, each of a part of the picture.
        """
        assert self._carried is not None, "what ends has been carried"
        x = x.clone()
        for number, frame in enumerate(self._among):
            if cut.start <= frame < cut.stop:
                own = x[frame - cut.start]
                off = F.adaptive_avg_pool2d(self._carried[number].to(own) - own, PLACES)[None]
                own += F.interpolate(off, size=own.shape[1:], mode="bilinear", align_corners=False)[0]
        return x

    def end(self, among: Sequence[int], *, last: bool) -> None:
        """Let frames that have been sampled be there, for the next level; nothing comes after the ``last``."""
        self._there, self._carried = sorted((*self._there, *among)), None
        if last:
            return
        decode = self._backbone.decode
        edited, own = decode(picked(self.states[-1], among)), decode(picked(self.latents, among))
        opened = None if self._blend is None else picked(self.opened, among)
        pictures = changed_pixels(picked(self._frames, among), edited, own, opened)
        for number, frame in enumerate(among):
            self._edited[frame] = pictures[number]


@dataclass(frozen=True)
class JoinParts(TensorStage):
    """The latents (F, 4, h, w) of a clip whose key frames are edited, and whose other frames are filled in."""

    latents: Encode
    keys: ChooseKeys
    sampled_keys: DenoiseKeys
    parts: tuple[FillPart, ...]

    def make(
        self, session: Session, latents: Tensor, keys: KeyFrames, sampled_keys: Tensor, parts: tuple[Tensor, ...]
    ) -> Tensor:
        return joined(keys, sampled_keys[-1], [part[:, :-1] for part in parts])


@dataclass(frozen=True)
class JoinMasks(Stage[Tensor]):
    """Where the edit may happen (F, 1, h, w): in key frames their mask (K, 1, h, w), in the others where what is
    carried there changes them."""

    keys: ChooseKeys
    mask: Stage[Tensor]
    parts: tuple[FillPart, ...]

    title: ClassVar[str] = "mask"

    def make(self, session: Session, keys: KeyFrames, mask: Tensor, parts: tuple[Tensor, ...]) -> Tensor:
        return joined(keys, mask, [part[:, -1:] for part in parts])


def joined(keys: KeyFrames, of_keys: Tensor, parts: Sequence[Tensor]) -> Tensor:
    """What is said of key frames (K, ...) and, part by part, of those between them (n, ...): (F, ...)."""
    whole = room_for((keys.frames, *of_keys.shape[1:]))
    for number, key in enumerate(keys.at):
        whole[key] = of_keys[number]
    for frame, each in zip(keys.others, (each for part in parts for each in part), strict=True):
        whole[frame] = each
    return whole
