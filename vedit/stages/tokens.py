"""Where the tokens of frames between key frames come from, and an edit that carries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from vedit.adapters.tuned import Adapter
from vedit.attention.carried import TokenPaths
from vedit.clip.sizes import Size
from vedit.condition import Condition
from vedit.flow import Flow
from vedit.graph import Stage, Work
from vedit.key_frames import KeyFrames
from vedit.motion.token_paths import token_paths
from vedit.priors import Start
from vedit.sampling.prediction import Carried
from vedit.session import Model, Session
from vedit.shots import Shots
from vedit.stages.denoise import Denoise
from vedit.stages.flow import EstimateFlow
from vedit.stages.keys import ChooseKeys
from vedit.stages.latents import Encode
from vedit.stages.tune import Tune
from vedit.stages.words import Words


@dataclass(frozen=True)
class FindTokenPaths(Stage[TokenPaths]):
    """Which tokens of its key frames each token of the other frames is made of; ``prompt`` says what the clip shows."""

    latents: Encode
    flow: EstimateFlow
    keys: ChooseKeys
    tuned: Tune | None
    model: Model
    prompt: Words

    title: ClassVar[str] = "matching tokens"
    kept: ClassVar[bool] = True

    def make(self, session: Session, latents: Tensor, flow: Flow, keys: KeyFrames, tuned: Adapter | None) -> TokenPaths:
        with session.working(self.model, "per_frame", adapter=tuned) as backbone:
            text = self.prompt.embedded(backbone)
            return token_paths(backbone, latents, text, flow, keys, progress=session.progress)

    def work(self) -> tuple[Work, ...]:
        return self.keys.of_segments(Work("unet", "looks at the source's tokens", 1, progress="matching tokens"))

    def room(self, frames: int, size: Size, cell: int) -> int:
        return 2 * 2 * 8 * frames * (size[0] // cell) * (size[1] // cell)

    def pack(self, result: TokenPaths) -> Mapping[str, Tensor]:
        return {f"{name}.{tokens}": each for name, of in vars(result).items() for tokens, each in of.items()}

    def unpack(self, tensors: Mapping[str, Tensor]) -> TokenPaths:
        kept: dict[str, dict[int, Tensor]] = {"where": {}, "share": {}}
        for key, each in tensors.items():
            name, _, tokens = key.partition(".")
            kept[name][int(tokens)] = each
        return TokenPaths(**kept)


@dataclass(frozen=True, kw_only=True)
class DenoiseCarried(Denoise):
    """The latents of an edit in which key frames are sampled together, and the others with their attention.

    Attributes:
        keys: the key frames, and the ``paths`` along which what their attention says is carried
    """

    keys: ChooseKeys
    paths: FindTokenPaths

    def make(  # type: ignore[override]  # two more inputs
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
        paths: TokenPaths,
    ) -> Tensor:
        with session.working(self.model, self.attention, adapter=tuned, flow=flow) as backbone:
            kept = Carried(keys, paths)
            return self.edited(backbone, session, start, latents, conditions, mask, shots, kept)
