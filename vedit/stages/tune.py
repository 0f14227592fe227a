"""One-shot tuning of a model on a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from vedit.adapters.tuned import Adapter
from vedit.backbone.sizes import working_size
from vedit.clip import Clip
from vedit.clip.images import read_picture
from vedit.clip.sizes import resize
from vedit.flow import Flow
from vedit.graph import Stage, Work
from vedit.graph.files import File
from vedit.session import Model, Session, within_memory
from vedit.shots import ONE_SHOT, Shots
from vedit.stages.flow import EstimateFlow
from vedit.stages.latents import Encode
from vedit.stages.packing import from_json_tensor, json_tensor, prefixed, without_prefix
from vedit.tuning.exam import PAIRS, looks
from vedit.tuning.one_shot import Blocks, Recipe, tune


@dataclass(frozen=True)
class EncodeEach(Stage[tuple[Tensor, ...]]):
    """The latents (4, h, w) of pictures, each of its own proportions, at the size ``side`` of the longer one."""

    pictures: tuple[File, ...]
    side: int | None
    model: Model

    title: ClassVar[str] = "encoding"

    def make(self, session: Session) -> tuple[Tensor, ...]:
        backbone, found = session.plain(self.model), []
        for each in self.pictures:
            picture = read_picture(each.path)
            own = int(picture.shape[1]), int(picture.shape[2])
            size = working_size(own, self.side, backbone.unet.config, backbone.vae_scale_factor)
            with within_memory():
                found.append(backbone.encode(resize(picture[None], size))[0].cpu())
        return tuple(found)


@dataclass(frozen=True)
class Tune(Stage[Adapter]):
    """What a model learns of a clip: an adapter.

    Attributes:
        flow: where the attention kind follows it
        prompt: what the clip shows
        checkpoint: a file that is written while it learns, and resumed from if it is there; None for one in the store
        window: frames that are learnt at a time; None for all
        shots: of the clip, of which one is learnt at a time; None where it is one
        pictures: that are learnt beside it, frame by frame; None for none
        told: what they show, in words
        mix: share of the clip as video
        early_stop: whether it ends once it has learnt; it takes ``steps`` at most
        blocks: of the UNet that learn
    """

    clip: Stage[Clip]
    latents: Encode
    flow: EstimateFlow | None
    model: Model
    prompt: str
    steps: int
    learning_rate: float | None
    recipe: Recipe
    attention: str
    seed: int
    checkpoint: Path | None = field(default=None, compare=False)
    window: int | None = None
    shots: Stage[Shots] | None = None
    pictures: EncodeEach | None = None
    told: tuple[str, ...] = ()
    mix: float = 1.0
    early_stop: bool = False
    blocks: Blocks = "all"

    title: ClassVar[str] = "tuning"
    kept: ClassVar[bool] = True
    resumes: ClassVar[bool] = True

    def make(
        self,
        session: Session,
        clip: Clip,
        latents: Tensor,
        flow: Flow | None,
        shots: Shots | None,
        pictures: tuple[Tensor, ...] | None,
    ) -> Adapter:
        checkpoint, unfinished = self.checkpoint, session.unfinished
        if checkpoint is None and unfinished is not None:
            checkpoint = unfinished.path("checkpoint.pt")
        with within_memory():
            return tune(
                session.plain(self.model),
                clip.frames,
                self.prompt,
                steps=self.steps,
                learning_rate=self.learning_rate,
                recipe=self.recipe,
                attention=self.attention,
                seed=self.seed,
                checkpoint=checkpoint,
                latents=latents,
                flow=flow,
                window=self.window,
                shots=shots or ONE_SHOT,
                pictures=tuple(zip(pictures or (), self.told, strict=True)),
                mix=self.mix,
                early_stop=self.early_stop,
                blocks=self.blocks,
                progress=session.progress,
            )

    def work(self) -> tuple[Work, ...]:
        learning = Work("learning", "tuning steps", self.steps, progress="tuning", blocks=self.blocks)
        if not self.early_stop:
            return (learning,)
        return learning, Work("unet", "looks at what is learnt", looks(self.steps) * PAIRS)

    def pack(self, result: Adapter) -> Mapping[str, Tensor]:
        told = {"config": dict(result.config), "base": result.base}
        return {"told": json_tensor(told), **prefixed("tensor.", result.tensors)}

    def unpack(self, tensors: Mapping[str, Tensor]) -> Adapter:
        told = from_json_tensor(tensors["told"])
        return Adapter(without_prefix("tensor.", tensors), told["config"], told["base"])
