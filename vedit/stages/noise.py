"""Where sampling starts, and whether it would lead back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from vedit.adapters.tuned import Adapter
from vedit.clip import Clip
from vedit.clip.sizes import Size
from vedit.condition import Condition
from vedit.flow import Flow
from vedit.graph import Stage, TensorStage, Work
from vedit.graph.unfinished import forgotten
from vedit.key_frames import KeyFrames
from vedit.mapped import picked
from vedit.masks.dual_clock import latents_held
from vedit.motion.dense import DenseFlow
from vedit.priors import PRIORS, PriorInputs, Start
from vedit.priors.inversion import FILLING, correction_size, passes, reconstruct
from vedit.progress import renamed
from vedit.quality import Fidelity, check_finite, fidelity, is_doubtful
from vedit.session import Model, Session, within_memory
from vedit.shots import Shots
from vedit.stages.conditions import control_work
from vedit.stages.flow import EstimateFlow
from vedit.stages.keys import ChooseKeys
from vedit.stages.latents import Encode, pack_fidelity, unpack_fidelity
from vedit.stages.tune import Tune
from vedit.stages.words import Words
from vedit.windows import Windows


@dataclass(frozen=True)
class StartingNoise(Stage[Start]):
    """The noise that a prior starts from, and the way there where it has one, as an inversion does.

    Attributes:
        latents: of the clip; None where there is none
        conditions: those that steer an inversion
        prompt: what the clip shows, or is to show
        shape: (F, 4, h, w) where there is no clip
        noise_walk: one of each frame, or one for all
        windows: in which an inversion sees a long clip; None for all frames at once
        shots: of the clip; None where it is one
        keys: the frames that an inversion sees together; None for all frames
        fill_steps: how many steps it goes in the frames between them
        motion: along strokes, for a prior that heeds what they hold; None for others
    """

    latents: Encode | None
    tuned: Tune | None
    flow: Stage[Flow] | None
    conditions: tuple[Stage[tuple[Condition, ...]], ...]
    model: Model
    attention: str
    prior: str
    prompt: Words
    steps: int
    corrections: int
    seed: int = 0
    noise_walk: tuple[float, ...] | float = 0.0
    shape: tuple[int, int, int, int] | None = None
    windows: Windows | None = None
    shots: Stage[Shots] | None = None
    keys: ChooseKeys | None = None
    fill_steps: int = 0
    motion: Stage[DenseFlow] | None = None

    resumes: ClassVar[bool] = True

    @property
    def title(self) -> str:  # type: ignore[override]
        return self.prior

    @property
    def kept(self) -> bool:  # type: ignore[override]
        """An inversion is long; noise is drawn in no time."""
        return starts_from_clip(self.prior)

    def make(
        self,
        session: Session,
        latents: Tensor | None,
        tuned: Adapter | None,
        flow: Flow | None,
        conditions: tuple[tuple[Condition, ...], ...],
        shots: Shots | None,
        keys: KeyFrames | None,
        motion: DenseFlow | None = None,
    ) -> Start:
        if latents is None:
            assert self.shape is not None, "noise has the shape of a clip, or one of its own"
            latents = torch.zeros(self.shape)
        with session.working(
            self.model, self.attention, adapter=tuned, flow=flow, windows=self.windows, shots=shots
        ) as backbone:
            given = PriorInputs(
                latents.to(backbone.device),
                self.prompt.embedded(backbone),
                backbone.schedule(self.steps),
                seed=self.seed,
                noise_walk=self.noise_walk,
                corrections=self.corrections,
                flow=flow,
                things=None if motion is None else latents_held(motion.drawn, backbone.vae_scale_factor),
                conditions=tuple(each for some in conditions for each in some),
                keys=keys,
                fill_steps=self.fill_steps,
                unfinished=session.unfinished,
                progress=session.progress,
            )
            start = PRIORS.make(self.prior).start(backbone, given)
            with forgotten(session.unfinished):
                check_finite(start.noise, self.prior, backbone)
            return start

    def work(self) -> tuple[Work, ...]:
        if not starts_from_clip(self.prior):
            return ()
        inverting = Work("unet", "inversion steps", passes(self.steps, self.corrections), progress="inverting")
        again = max(1, self.corrections)
        works = (inverting, *control_work(self.conditions, self.steps, self.steps, 1, ", inverting", again))
        if self.keys is None:
            return works
        if self.fill_steps == 0:
            return self.keys.of_keys(*works)
        count, what = passes(self.fill_steps, self.corrections), "inversion steps between key frames"
        between = Work("unet", what, count, progress=FILLING)
        controls = control_work(self.conditions, self.steps, self.fill_steps, 1, ", inverting between", again)
        return (*self.keys.of_keys(*works), *self.keys.of_segments(between, *controls))

    def room(self, frames: int, size: Size, cell: int) -> int:
        return (self.steps + 1) * frames * 4 * (size[0] // cell) * (size[1] // cell) * 4

    def pack(self, result: Start) -> Mapping[str, Tensor]:
        return {"noise": result.noise} if result.trace is None else {"trace": result.trace}

    def unpack(self, tensors: Mapping[str, Tensor]) -> Start:
        trace = tensors.get("trace")
        return Start(tensors["noise"]) if trace is None else Start(trace[-1], trace)


def starts_from_clip(prior: str) -> bool:
    """Whether a prior starts from the clip itself, as an inversion does, and draws nothing."""
    return "clip" in PRIORS.load(prior).needs


def drawn(prior: str, seed: int, noise_walk: tuple[float, ...]) -> tuple[int, tuple[float, ...] | float]:
    """Seed and walk as far as a prior heeds them: an inversion is the same whatever they are."""
    return (0, 0.0) if starts_from_clip(prior) else (seed, noise_walk)


@dataclass(frozen=True)
class Reconstruct(TensorStage):
    """The latents (F, 4, h, w), on the CPU, to which sampling without guidance leads back from the last ``taken`` steps
    of an inversion."""

    start: StartingNoise
    tuned: Tune | None
    flow: EstimateFlow | None
    conditions: tuple[Stage[tuple[Condition, ...]], ...]
    taken: int
    shots: Stage[Shots] | None = None
    keys: ChooseKeys | None = None

    title: ClassVar[str] = "reconstruction"
    resumes: ClassVar[bool] = True

    @property
    def kept(self) -> bool:  # type: ignore[override]
        """As what sampling makes is."""
        return self.start.model.spec is not None

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * 4 * (size[0] // cell) * (size[1] // cell) * 4

    def make(
        self,
        session: Session,
        start: Start,
        tuned: Any,
        flow: Any,
        conditions: Any,
        shots: Shots | None,
        keys: KeyFrames | None,
    ) -> Tensor:
        assert start.trace is not None, "only an inversion has a way back"
        origin = self.start
        with session.working(
            origin.model, origin.attention, adapter=tuned, flow=flow, windows=origin.windows, shots=shots
        ) as backbone:
            return reconstruct(
                backbone,
                start.trace[: self.taken + 1],
                origin.prompt.embedded(backbone),
                origin.steps,
                conditions=[each for some in conditions for each in some],
                only=None if keys is None else keys.together,
                unfinished=session.unfinished,
                progress=renamed(session.progress, "reconstructing"),
            ).cpu()

    def work(self) -> tuple[Work, ...]:
        back = Work("unet", "reconstruction steps", self.taken, progress="reconstructing")
        works = (back, *control_work(self.conditions, self.start.steps, self.taken, 1, ", reconstructing"))
        return works if self.keys is None else self.keys.of_keys(*works)


@dataclass(frozen=True)
class InversionCheck:
    """How far an inversion can be trusted.

    Attributes:
        correction: how far its steps had to be corrected (``priors.inversion.correction_size``)
        reconstruction: of the clip, from it; None where it was not in doubt
    """

    correction: float
    reconstruction: Fidelity | None


@dataclass(frozen=True)
class CheckInversion(Stage[InversionCheck]):
    """How far an inversion had to be corrected and, where that leaves it in doubt, how near sampling without guidance
    comes to the clip again, from the last ``taken`` of its steps.

    Attributes:
        keys: where there are some, it is about these alone
        reconstructs: whether a doubt is looked into
    """

    clip: Stage[Clip]
    start: StartingNoise
    tuned: Tune | None
    flow: EstimateFlow | None
    conditions: tuple[Stage[tuple[Condition, ...]], ...]
    taken: int
    reconstructs: bool
    shots: Stage[Shots] | None = None
    keys: ChooseKeys | None = None

    title: ClassVar[str] = "inversion check"
    kept: ClassVar[bool] = True
    resumes: ClassVar[bool] = True

    def make(
        self,
        session: Session,
        clip: Clip,
        start: Start,
        tuned: Any,
        flow: Any,
        conditions: Any,
        shots: Shots | None,
        keys: KeyFrames | None,
    ) -> InversionCheck:
        assert start.trace is not None, "only an inversion has a way back"
        origin, trace = self.start, start.trace[: self.taken + 1]
        steps = session.plain(origin.model).schedule(origin.steps).last(self.taken)
        correction = correction_size(trace, steps, None if keys is None else keys.at)
        if not (self.reconstructs and is_doubtful(origin.corrections, correction)):
            return InversionCheck(correction, None)
        again, frames = self._way_back.make(session, start, tuned, flow, conditions, shots, keys), clip.frames
        if keys is not None:
            again, frames = picked(again, keys.at), picked(frames, keys.at)
        with within_memory():
            return InversionCheck(correction, fidelity(session.plain(origin.model).decode(again), frames))

    @property
    def _way_back(self) -> Reconstruct:
        return Reconstruct(self.start, self.tuned, self.flow, self.conditions, self.taken, self.shots, self.keys)

    def work(self) -> tuple[Work, ...]:
        if not self.reconstructs:
            return ()
        doubt = self.start.corrections > 0
        decoder = (Work("vae decoder", "VAE, out", 1),)
        works = (*self._way_back.work(), *(decoder if self.keys is None else self.keys.of_keys(*decoder)))
        return tuple(replace(each, doubtful=doubt) for each in works)

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * size[0] * size[1] * 4 if self.reconstructs else 0

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        return frames * 3 * size[0] * size[1] * 4 if self.reconstructs else 0

    def pack(self, result: InversionCheck) -> Mapping[str, Tensor]:
        found = {} if result.reconstruction is None else pack_fidelity(result.reconstruction)
        return {"correction": torch.tensor(result.correction, dtype=torch.float64), **found}

    def unpack(self, tensors: Mapping[str, Tensor]) -> InversionCheck:
        return InversionCheck(float(tensors["correction"]), unpack_fidelity(tensors) if "db" in tensors else None)
