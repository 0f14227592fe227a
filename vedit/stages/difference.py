"""How prompts disagree about a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from vedit.adapters.tuned import Adapter
from vedit.clip.sizes import Size
from vedit.flow import Flow
from vedit.graph import Stage, Work
from vedit.key_frames import KeyFrames
from vedit.mapped import picked
from vedit.masks import NOISE_LEVELS, SAMPLES, compare_prompts
from vedit.masks.prompt_difference import PromptDifference
from vedit.session import Model, Session
from vedit.shots import Shots
from vedit.stages.flow import EstimateFlow
from vedit.stages.keys import ChooseKeys
from vedit.stages.latents import Encode
from vedit.stages.tune import Tune
from vedit.stages.words import Words
from vedit.windows import Windows


@dataclass(frozen=True)
class ComparePrompts(Stage[list[PromptDifference]]):
    """How each of several prompts, the edit's first, disagrees with the source's about the clip.

    Attributes:
        keys: where there are some, it is about these alone
        samples: noises per level of it
    """

    latents: Encode
    tuned: Tune | None
    flow: EstimateFlow | None
    model: Model
    attention: str
    source: Words
    targets: tuple[Words, ...]
    seed: int
    windows: Windows | None = None
    shots: Stage[Shots] | None = None
    keys: ChooseKeys | None = None
    samples: int = SAMPLES

    version: ClassVar[int] = 2
    title: ClassVar[str] = "mask"
    kept: ClassVar[bool] = True

    def make(
        self,
        session: Session,
        latents: Tensor,
        tuned: Adapter | None,
        flow: Flow | None,
        shots: Shots | None,
        keys: KeyFrames | None,
    ) -> list[PromptDifference]:
        with session.working(
            self.model, self.attention, adapter=tuned, flow=flow, windows=self.windows, shots=shots
        ) as backbone:
            found = compare_prompts(
                backbone,
                latents.to(backbone.device),
                self.source.embedded(backbone),
                *(each.embedded(backbone) for each in self.targets),
                seed=self.seed,
                samples=self.samples,
                only=None if keys is None else keys.together,
                progress=session.progress,
            )
        if keys is None:
            return found
        return [PromptDifference(picked(each.magnitude, keys.at), picked(each.direction, keys.at)) for each in found]

    def work(self) -> tuple[Work, ...]:
        times, branches = len(NOISE_LEVELS) * self.samples, 1 + len(self.targets)
        works = (Work("unet", "comparisons of the prompts", times, branches, "finding where to edit"),)
        return works if self.keys is None else self.keys.of_keys(*works)

    def pack(self, result: list[PromptDifference]) -> Mapping[str, Tensor]:
        names = ("magnitude", "direction")
        return {f"{name}.{number}": getattr(each, name) for number, each in enumerate(result) for name in names}

    def unpack(self, tensors: Mapping[str, Tensor]) -> list[PromptDifference]:
        numbers = range(len(tensors) // 2)
        return [PromptDifference(tensors[f"magnitude.{each}"], tensors[f"direction.{each}"]) for each in numbers]

    def room(self, frames: int, size: Size, cell: int) -> int:
        return len(self.targets) * frames * 5 * (size[0] // cell) * (size[1] // cell) * 4
