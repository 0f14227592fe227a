"""An enlarged clip drawn anew in part, in tiles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor

from vedit.backbone.model import Backbone
from vedit.clip import Clip
from vedit.clip.sizes import Size
from vedit.graph import Stage, TensorStage, Work
from vedit.graph.unfinished import forgotten
from vedit.mapped import drawn_in_chunks
from vedit.priors import Start
from vedit.prompt import Prompt
from vedit.quality import check_finite
from vedit.request import Control
from vedit.sampling.guiders import ClassifierFree, Guider, Unguided
from vedit.sampling.tiles import ControlOf, Tile, denoise_tiles, tiles_of
from vedit.session import Model, Session
from vedit.shots import Shots
from vedit.stages.conditions import ControlRun
from vedit.stages.latents import Encode
from vedit.stages.noise import StartingNoise
from vedit.stages.words import Words
from vedit.windows import Windows

KIND = "tile"
"""The kind of ControlNet that is shown an enlarged picture."""


@dataclass(frozen=True)
class DenoiseTiles(TensorStage):
    """The latents (F, 4, h, w), on the CPU, that sampling in tiles makes of those of an enlarged clip.

    Attributes:
        clip: that is enlarged, of which they are; what the ControlNet is shown
        start: the noise that is added
        prompt, negative: words; where both say the same there is no guidance
        scale: of guidance, in each frame
        apg_eta: of guidance
        steps: the whole schedule's, of which the last ``steps_taken`` are taken
        side: of the tiles, in latents
        size: of all latents (h, w)
        net: the ControlNet that holds tiles to what they show; None for none
        shots: of the clip; None where it is one
        windows: in which a long clip is seen; None for all frames at once
    """

    clip: Stage[Clip]
    latents: Encode
    start: StartingNoise
    model: Model
    attention: str
    prompt: Words
    negative: Words
    scale: tuple[float, ...]
    apg_eta: float
    steps: int
    steps_taken: int
    side: int
    size: Size
    net: ControlRun | None
    shots: Stage[Shots] | None
    windows: Windows | None

    title: ClassVar[str] = "denoising"
    resumes: ClassVar[bool] = True

    @property
    def kept(self) -> bool:  # type: ignore[override]
        """As what sampling makes is."""
        return self.model.spec is not None

    def room(self, frames: int, size: Size, cell: int) -> int:
        return frames * 4 * (size[0] // cell) * (size[1] // cell) * 4

    def state(self, frames: int, size: Size, cell: int) -> int:
        return (1 + self._branches) * self.room(frames, size, cell)

    def scratch(self, frames: int, size: Size, cell: int) -> int:
        """The latents before and after a step, and what the network says of them in all branches."""
        return (2 + self._branches) * self.room(frames, size, cell)

    def make(self, session: Session, clip: Clip, latents: Tensor, start: Start, shots: Shots | None) -> Tensor:
        with session.working(self.model, self.attention, windows=self.windows, shots=shots) as backbone:
            schedule = backbone.schedule(self.steps).last(self.steps_taken)

            def noised(clean: Tensor, noise: Tensor) -> Tensor:
                return schedule.add_noise(clean.to(backbone.device), noise.to(backbone.device), 0)

            x = drawn_in_chunks(noised, latents, start.noise)
            made = denoise_tiles(
                backbone,
                x,
                schedule,
                self._guider(backbone),
                tiles_of(self.size, self.side),
                control=self._control(backbone, clip.frames),
                unfinished=session.unfinished,
                progress=session.progress,
            )
            with forgotten(session.unfinished):
                check_finite(made, "enlarged clip", backbone)
            return made.cpu()

    def _guider(self, backbone: Backbone) -> Guider:
        prompt = Prompt(self.prompt.embedded(backbone))
        if not self._guided:
            return Unguided(prompt)
        return ClassifierFree(prompt, Prompt(self.negative.embedded(backbone)), self.scale, self.apg_eta)

    @property
    def _branches(self) -> int:
        return 2 if self._guided else 1

    @property
    def _guided(self) -> bool:
        return self.prompt.text != self.negative.text and any(scale != 1 for scale in self.scale)

    def _control(self, backbone: Backbone, frames: Tensor) -> ControlOf | None:
        """What holds each tile to its part of the ``frames`` (F, 3, H, W). Raises WeightsError."""
        if self.net is None:
            return None
        from vedit.backbone.control import load_controlnet  # with diffusers, which takes seconds to import

        net = load_controlnet(KIND, self.net.net, backbone)

        def control(tile: Tile) -> Control:
            rows, columns = tile.pixels(backbone.vae_scale_factor)
            return partial(net, frames[..., rows, columns])

        return control

    def work(self) -> tuple[Work, ...]:
        count, branches = self.steps_taken * len(tiles_of(self.size, self.side)), self._branches
        unet = Work("unet", "denoising steps", count, branches, "denoising")
        if self.net is None:
            return (unet,)
        return unet, Work("controlnet", f"ControlNet {KIND}", count, branches, part=(KIND, self.net.net))
