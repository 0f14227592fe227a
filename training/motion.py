"""Motion modules in AnimateDiff's layout, for any Stable Diffusion (Guo et al. 2023, section 4.2).

``torchrun --nproc-per-node 2 -m training.motion`` teaches the miniature's, on the world's clips (``training.pool
--frames 16``); ``--model FOLDER --clips FOLDER`` a model's own, on clips of your own, each with its caption in a .txt
of its name. The image model is frozen: what learns is attention over the frames, whose output begins at zero, so that
training starts from pictures that know nothing of each other. Written as a MotionAdapter's folder, which
``--motion-adapter`` and diffusers' AnimateDiffPipeline read, beside it the noise schedule that it was trained with.

Three things differ from the original. Errors count as errors of v (Salimans & Ho 2022, section 4), since as errors of
epsilon those of where things are, which is what motion is made of, are next to nothing; and more of the timesteps are
noisy ones. And at these many clips are shown fainter than they should be, down to pure noise, with which sampling
begins: what is noised from a clip shows it even at the last timestep (Lin et al. 2024, section 3.1), in sixteen frames
so well that the words would not matter. And of the world's clips it is known where things are: what read that off the
image layers (``training.motion_reading``) reads it off them under the motion modules too, and its error counts, so that
every layer is told what it has to bring about instead of only the last.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler, MotionAdapter, UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor

from training.captioned_clips import captioned_clips
from training.captions import EMPTY
from training.data import FRAMES
from training.diffusion import FOCUS, READING_FILE, embedded
from training.loop import COMPILE, Given, Recipe, Replayable, in_bfloat16, normal, note, ship, start_workers, train
from training.motion_reading import MOMENTS, MotionReading
from training.pool import Pool, read_pool
from training.presets import WORKSHOP
from vedit.adapters.loading import load_backbone
from vedit.adapters.motion import Motion
from vedit.backbone import Backbone
from vedit.backbone.sizes import working_size
from vedit.schedule import Levels, alpha_bar

OWN = "motion"
"""Name of the motion modules' folder in the model's."""

HEAVIEST = 50.0
"""Most that an error of epsilon counts: v's own weight, 1 / alpha_bar, grows without end towards pure noise."""

FAINT = 0.3
"""Share of the clips that are shown fainter than their timestep says, a fifth of them not at all. So many, since
nowhere else do the words decide what moves where: sixteen noised frames together show even at the last timestep what a
clip's mean is and where it goes, but what sampling begins with shows nothing."""

LED = 0.4
"""Share of the clips of which one frame is seen well and the others are faint: from there the words say where each
thing has been and will be. A timestep for each frame is Diffusion Forcing's (Chen et al. 2024, section 3.1)."""

READING = 3.0
"""How much it counts, at every layer, how things move as it is read off there."""

UNDECIDED = 0.75
"""Share of the timesteps above which clips are shown fainter."""


@dataclass(frozen=True)
class Told:
    """What is known of B clips of F frames."""

    words: Tensor
    """(B, T, D): what the UNet is told."""
    motions: Tensor | None = None
    """(B, THINGS, 18), bool: what this says of how each thing moves, where that is known;"""
    places: Tensor | None = None
    """(B, F, 9, THINGS, h, w), bool: and which latents show each thing, or lie next to it, at ``MOMENTS``."""

    @property
    def near(self) -> Tensor:
        """(B, F, 1, h, w), bool: the latents near what moves, as far as it is known."""
        if self.places is None:
            return torch.zeros(1, 1, 1, 1, 1, dtype=torch.bool, device=self.words.device)
        return self.places[:, :, MOMENTS.index(0)].any(2, keepdim=True)


@dataclass(frozen=True)
class Clips:
    """What the motion modules learn from: N clips."""

    latents: Sequence[Tensor] | Tensor
    """Of each clip (F, 4, h, w), scaled; all of one h and w, F at least as many as are learnt at once."""
    tell: Callable[[Tensor, Tensor, torch.Generator], Told]
    """Of the numbers (B,) of clips and those of their frames that are learnt (B, F)."""

    def frames(self, chosen: Tensor, taken: Tensor, device: torch.device) -> Tensor:
        """Latents (B, F, 4, h, w) of such frames."""
        if isinstance(self.latents, Tensor):
            some, taken = (each.to(self.latents.device, non_blocking=True) for each in (chosen[:, None], taken))
            return self.latents[some, taken].to(device, torch.float32)
        some = [self.latents[number][part] for number, part in zip(chosen.tolist(), taken, strict=True)]
        return torch.stack(some).to(device, torch.float32)


def world_clips(pool: Pool, backbone: Backbone) -> Clips:
    """The clips that ``training.pool`` encoded."""
    there = pool.to(backbone.device)
    moments = torch.tensor(MOMENTS, device=backbone.device)

    @torch.no_grad()
    def tell(chosen: Tensor, frames: Tensor, generator: torch.Generator) -> Told:
        chosen, frames = (each.to(backbone.device, non_blocking=True) for each in (chosen, frames))
        tokens, shares, motions = there.telling(chosen, generator)
        places = there.places(chosen, (frames[..., None] + moments).flatten(1))  # (B, F 9, THINGS, h, w)
        words = embedded(backbone.text_encoder, tokens, shares)
        return Told(words, motions, places.unflatten(1, (-1, len(moments))))

    return Clips(there.latents, tell)


def own_clips(folder: Path, backbone: Backbone, frames: int, stride: int) -> Clips:
    """The clips of a folder that have a caption beside them, each brought to the first one's working size."""
    latents: list[Tensor] = []
    captions: list[str] = []
    size = None
    for clip, caption in captioned_clips(folder, frames, stride):
        size = size or working_size(clip.size, None, backbone.unet.config, backbone.vae_scale_factor)
        latents.append(backbone.encode(clip.resized(size).frames).half().cpu())
        captions.append(caption)
    states = torch.cat(backbone.embed_alike([*captions, ""]))

    def tell(chosen: Tensor, frames: Tensor, generator: torch.Generator) -> Told:
        silent = torch.rand(chosen.shape, generator=generator) < EMPTY
        return Told(states[torch.where(silent, len(captions), chosen).to(states.device)])

    return Clips(latents, tell)


def build(unet: UNet2DConditionModel, frames: int) -> MotionAdapter:
    """Motion modules of AnimateDiff v2's layout for a UNet: one after each of its layers, one in the middle."""
    channels = tuple(unet.config.block_out_channels)
    return MotionAdapter(
        block_out_channels=channels,
        motion_layers_per_block=unet.config.layers_per_block,
        # AnimateDiff has 8 heads; where channels are few, fewer of 8 numbers each.
        motion_num_attention_heads=max(1, min(8, channels[0] // 8)),
        motion_norm_num_groups=unet.config.norm_num_groups,
        motion_max_seq_length=frames,
        use_motion_mid_block=True,
    )


def drawn_times(clips: int, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """At which share of the schedule each frame is learnt, and how much of the signal there it shows: (B, F) each."""

    def random() -> Tensor:
        return torch.rand((clips, 1), generator=generator)

    kind, share, dim = random(), random().sqrt(), (1.25 * random() - 0.25).clamp(min=0)
    clear = torch.randint(0, frames, (clips, 1), generator=generator) == torch.arange(frames)
    faint, led = kind < FAINT, kind > 1 - LED
    late = torch.where(faint | led, UNDECIDED + (1 - UNDECIDED) * share, share)
    seen = torch.where(faint | led, dim, 1.0)
    return torch.where(led & clear, UNDECIDED * random(), late), torch.where(led & clear, 1.0, seen)


def learn(
    backbone: Backbone,
    adapter: MotionAdapter,
    clips: Clips,
    recipe: Recipe,
    frames: int,
    batch: int,
    out: Path,
    reading: MotionReading | None = None,
) -> None:
    """Teach ``adapter``, which is attached to ``backbone``, on batches of clips of ``frames`` frames."""
    device = backbone.device
    shares = alpha_bar(backbone.scheduler_config).to(device)
    levels = Levels.of(shares)
    schedule = backbone.schedule(1)  # only for what the network predicts

    def draw(step: int, generator: torch.Generator) -> Given:
        chosen = torch.randint(0, len(clips.latents), (batch,), generator=generator)
        spare = torch.tensor([len(clips.latents[number]) - frames for number in chosen.tolist()])
        begin = (torch.rand(batch, generator=generator) * (spare + 1)).long()
        taken = begin[:, None] + torch.arange(frames)  # (B, F)
        clean = clips.frames(chosen, taken, device)
        told = clips.tell(chosen, taken, generator)
        noise = normal(clean.shape, generator, device)
        share, seen = (
            each[..., None, None, None].to(device, non_blocking=True) for each in drawn_times(batch, frames, generator)
        )
        time = (share * len(levels)).long().clamp(max=len(levels) - 1)  # (B, F, 1, 1, 1)
        noisy = Levels.of(shares[time] * seen.square()).noised(clean, noise)
        target = schedule.output_for(noisy, clean, levels[time])
        weights = 1 + FOCUS * told.near
        weights = weights / weights.mean((1, 2, 3, 4), keepdim=True)
        if schedule.prediction == "epsilon":
            weights = weights * (1 / shares[time]).clamp(max=HEAVIEST)
        return noisy, time[..., 0, 0, 0], told.words, target, weights, told.motions, told.places

    def error(
        noisy: Tensor, time: Tensor, words: Tensor, target: Tensor, weights: Tensor, motions: Tensor | None,
        places: Tensor | None,
    ) -> Tensor:  # fmt: skip
        features.clear()
        with in_bfloat16(device):
            output = backbone.predict(noisy, time, words)
        wrong = (weights * (output - target).square()).mean()
        if reading is None or motions is None or places is None:
            return wrong
        motions = motions[:, None].expand(-1, frames, -1, -1)
        return wrong + READING * reading.error(features, motions.flatten(0, 1), places.flatten(0, 1))

    with nullcontext(list[Tensor]()) if reading is None else reading.features(backbone.unet) as features:
        train(adapter, Replayable(draw, error), recipe, out / "motion.pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=WORKSHOP, help="a Stable Diffusion's folder")
    parser.add_argument("--pools", type=Path, default=Path("runs/pool"))
    parser.add_argument("--clips", type=Path, help="folder of clips, each with its caption in a .txt of its name")
    parser.add_argument("--stride", type=int, default=1, help="of such clips, take each stride-th frame")
    parser.add_argument("--frames", type=int, default=FRAMES, help="that are learnt together")
    parser.add_argument(
        "--modules", type=Path, help=f"folder to write; by default {OWN} in the model's, which names it"
    )
    parser.add_argument(
        "--reading", type=Path, default=Path("runs/diffusion") / READING_FILE,
        help="what reads off the miniature's layers how things move, which training.diffusion wrote",
    )  # fmt: skip
    parser.add_argument("--begin-with", type=Path, help="motion modules to begin with")
    parser.add_argument("--out", type=Path, default=Path("runs/motion"), help="folder of the checkpoint")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--minutes", type=float, help="instead of the steps")
    parser.add_argument("--batch", type=int, default=4, help="clips at once, for each worker")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="1e-4 suits Stable Diffusion 1.5")
    parser.add_argument("--compile", action="store_true", help=COMPILE)
    arguments = parser.parse_args()
    _, _, device = start_workers()
    backbone = load_backbone(arguments.model, device=device, dtype="float32")
    backbone.layers.detach_motion()
    frames, clips = arguments.frames, arguments.clips
    reading = None
    if clips is None:
        found = world_clips(read_pool(arguments.pools, FRAMES), backbone)
        reading = MotionReading(backbone.unet).to(device).requires_grad_(False)
        reading.load_state_dict(load_file(arguments.reading))
    else:
        found = own_clips(clips, backbone, frames, arguments.stride)
    torch.manual_seed(0)
    begun = arguments.begin_with
    adapter = build(backbone.unet, frames) if begun is None else Motion.read(begun).modules
    backbone.layers.attach_motion(adapter.float())
    adapter.requires_grad_(True).train()
    if arguments.compile:
        backbone.unet.compile()
    recipe = Recipe(arguments.steps, arguments.learning_rate, minutes=arguments.minutes)
    learn(backbone, adapter, found, recipe, frames, arguments.batch, arguments.out, reading)
    ship(adapter, arguments.modules or arguments.model / OWN)
    DDIMScheduler.from_config(backbone.scheduler_config).save_config(arguments.modules or arguments.model / OWN)
    if arguments.modules is None:
        note(arguments.model, motion=OWN)


if __name__ == "__main__":
    main()
