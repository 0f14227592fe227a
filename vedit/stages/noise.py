"""Where sampling starts, and whether it would lead back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from vedit import registry
from vedit.adapters.tuned import Adapter
from vedit.clip import Clip
from vedit.condition import Condition
from vedit.flow import Flow
from vedit.graph import Stage
from vedit.priors import PriorInputs, Start
from vedit.priors.inversion import reconstruct
from vedit.progress import renamed
from vedit.quality import Fidelity, check_finite, fidelity
from vedit.session import Model, Session
from vedit.stages.flow import EstimateFlow
from vedit.stages.latents import Encode, pack_fidelity, unpack_fidelity
from vedit.stages.tune import Tune
from vedit.stages.words import Words


@dataclass(frozen=True)
class StartingNoise(Stage[Start]):
    """The noise that a prior starts from, and the way there where it has one, as an inversion does.

    Attributes:
        conditions: those that steer an inversion
        prompt: what the clip shows
        noise_walk: one of each frame, or one for all
    """

    latents: Encode
    tuned: Tune | None
    flow: EstimateFlow | None
    conditions: tuple[Stage[tuple[Condition, ...]], ...]
    model: Model
    attention: str
    prior: str
    prompt: Words
    steps: int
    corrections: int
    seed: int = 0
    noise_walk: tuple[float, ...] | float = 0.0

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
        latents: Tensor,
        tuned: Adapter | None,
        flow: Flow | None,
        conditions: tuple[tuple[Condition, ...], ...],
    ) -> Start:
        with session.working(self.model, self.attention, adapter=tuned, flow=flow) as backbone:
            given = PriorInputs(
                latents.to(backbone.device),
                self.prompt.embedded(backbone),
                backbone.schedule(self.steps),
                seed=self.seed,
                noise_walk=self.noise_walk,
                corrections=self.corrections,
                flow=flow,
                conditions=tuple(each for some in conditions for each in some),
                progress=session.progress,
            )
            start: Start = registry.load("priors", self.prior)().start(backbone, given)
            check_finite(start.noise, self.prior, backbone)
            return start

    def pack(self, result: Start) -> Mapping[str, Tensor]:
        noise = result.noise.clone()  # a file holds no two tensors of one memory
        return {"noise": noise} | ({} if result.trace is None else {"trace": result.trace})

    def unpack(self, tensors: Mapping[str, Tensor]) -> Start:
        return Start(tensors["noise"], tensors.get("trace"))


def starts_from_clip(prior: str) -> bool:
    """Whether a prior starts from the clip itself, as an inversion does, and draws nothing."""
    return bool(getattr(registry.load("priors", prior), "needs_clip", False))


def drawn(prior: str, seed: int, noise_walk: tuple[float, ...]) -> tuple[int, tuple[float, ...] | float]:
    """Seed and walk as far as a prior heeds them: an inversion is the same whatever they are."""
    return (0, 0.0) if starts_from_clip(prior) else (seed, noise_walk)


@dataclass(frozen=True)
class Reconstruct(Stage[Fidelity]):
    """How near sampling without guidance comes to the clip again, from the last ``taken`` steps of its inversion."""

    clip: Stage[Clip]
    start: StartingNoise
    tuned: Tune | None
    flow: EstimateFlow | None
    conditions: tuple[Stage[tuple[Condition, ...]], ...]
    taken: int

    title: ClassVar[str] = "inversion check"
    kept: ClassVar[bool] = True

    def make(self, session: Session, clip: Clip, start: Start, tuned: Any, flow: Any, conditions: Any) -> Fidelity:
        assert start.trace is not None, "only an inversion has a way back"
        origin = self.start
        with session.working(origin.model, origin.attention, adapter=tuned, flow=flow) as backbone:
            again = reconstruct(
                backbone,
                start.trace[: self.taken + 1].to(backbone.device),
                origin.prompt.embedded(backbone),
                origin.steps,
                conditions=[each for some in conditions for each in some],
                progress=renamed(session.progress, "reconstructing"),
            )
            return fidelity(backbone.decode(again), clip.frames)

    def pack(self, result: Fidelity) -> Mapping[str, Tensor]:
        return pack_fidelity(result)

    def unpack(self, tensors: Mapping[str, Tensor]) -> Fidelity:
        return unpack_fidelity(tensors)
