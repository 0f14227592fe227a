"""An edit of key frames, which are sampled together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

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
from vedit.masks import LatentBlend, untouched_pixels
from vedit.priors import Start
from vedit.session import Model, Session, within_memory
from vedit.shots import ONE_SHOT, Shots
from vedit.stages.denoise import Denoise
from vedit.stages.keys import ChooseKeys
from vedit.stages.latents import Encode


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
        check_conditions(conditions)
        shape, unfinished = (self.fill_steps + 1, len(keys), *latents.shape[1:]), session.unfinished
        states = room_for(shape) if unfinished is None else unfinished.room_for("tensor", shape)
        with session.working(self.model, self.attention, adapter=tuned, flow=flow) as backbone:
            steps = self.schedule(backbone)
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
        return changed_pixels(picked(clip.frames, keys.at), edited, own, mask)

    def work(self) -> tuple[Work, ...]:
        return self.keys.of_keys(Work("vae decoder", "VAE, out", 2))


def changed_pixels(frames: Tensor, edited: Tensor, own: Tensor, mask: Tensor | None) -> Tensor:
    """Frames (K, 3, H, W) in [0, 1] with what an edit changes of them.

    Args:
        frames: the clip's own
        edited, own: what the VAE makes of the edit's latents, and of the clip's
        mask: where they may change (K, 1, h, w); None for everywhere
    """
    if mask is None:
        return drawn_in_chunks(lambda frames, edited, own: (frames + (edited - own)).clamp(0, 1), frames, edited, own)
    size = int(frames.shape[2]), int(frames.shape[3])

    def draw(frames: Tensor, edited: Tensor, own: Tensor, mask: Tensor) -> Tensor:
        return (frames + (edited - own) * (1 - untouched_pixels(mask.cpu(), size))).clamp(0, 1)

    return drawn_in_chunks(draw, frames, edited, own, mask)


def check_conditions(conditions: tuple[tuple[Condition, ...], ...]) -> None:
    """Raise ConfigError for a condition that looks at all frames together, where some are sampled without the rest."""
    if any(isinstance(each.entrance, Energy | EnergyOfFrames) for some in conditions for each in some):
        raise ConfigError(
            "key_frames: a condition that steers by a gradient looks at all frames together; leave out either, or take "
            "--fill tokens."
        )
