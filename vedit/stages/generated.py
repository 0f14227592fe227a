"""Motion that words ask for, sampled by a flow diffusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from vedit.clip.sizes import Size
from vedit.graph import Stage
from vedit.graph.files import File
from vedit.motion.dense import DenseFlow
from vedit.motion.generated.network import load_flow_diffusion
from vedit.motion.generated.render import dense_of
from vedit.motion.generated.volume import grid_of
from vedit.session import Model, Session, within_memory
from vedit.stages.motion import pack_flow, unpack_flow
from vedit.stages.words import Words


@dataclass(frozen=True)
class GenerateMotion(Stage[DenseFlow]):
    """How a picture moves as words say.

    Attributes:
        picture: (3, H, W)
        model: whose text encoder reads the words, and whose VAE encodes the picture
        network: the folder of its flow diffusion
        words: what they are
        frames: how many
        seed: of the motion
    """

    picture: Stage[Tensor]
    model: Model
    network: File
    words: Words
    frames: int
    seed: int

    title: ClassVar[str] = "motion"
    kept: ClassVar[bool] = True

    def make(self, session: Session, picture: Tensor) -> DenseFlow:
        backbone = session.plain(self.model)
        size = picture.shape[1], picture.shape[2]
        with within_memory():
            network = load_flow_diffusion(self.network.path, self.model.outline.text_width, backbone.device)
            nothing = Words("", (self.words.text, "")).embedded(backbone)
            words = Words(self.words.text, (self.words.text, "")).embedded(backbone)
            latents = backbone.encode(picture[None]).to(backbone.device)
            volume = network.sample(words, nothing, latents, grid_of(size, network.config.cells), self.seed)
        return dense_of(volume.stretched(self.frames), picture)

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * size[0] * size[1] * (4 * 4 + 2)

    def pack(self, result: DenseFlow) -> Mapping[str, Tensor]:
        return pack_flow(result)

    def unpack(self, tensors: Mapping[str, Tensor]) -> DenseFlow:
        return unpack_flow(tensors)
